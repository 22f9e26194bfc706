// The filters above the list, as chips, a search and a few more.

import { address, go } from "./address.js";
import { FILTERS, REFUSED, TO_SEND } from "./filters.js";
import { count } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { overall } from "./progress.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";

const words = texts.filters;
const TYPED_MS = 250;
const STATUSES = ["queued", "watermarking", "watermarked", "uploading", "stored", "failed"];
const OTHERS = ["status", "code", "name", "since", "until"]; // the counts are not of these
let timer = 0;

export function filterBar() {
  const all = overall();
  const { refused } = uploads.totals();
  const isCounted = all.isKnown && !OTHERS.some((name) => address[name]);
  const chip = (state, label, n) => html`<button aria-pressed=${address.state === state}
    @click=${() => go({ state, code: "", status: "" })}>${label} ${isCounted ? html`<span class="n">${count(n)}</span>` : nothing}</button>`;
  return html`<section class="filters" aria-label=${words.label}>
    <div class="row"><div class="chips">
      ${chip("", words.all, all.total + refused)}
      ${all.waiting || address.state === TO_SEND ? chip(TO_SEND, words.toSend, all.waiting) : nothing}
      ${refused || address.state === REFUSED ? chip(REFUSED, words.refused, refused) : nothing}
      ${chip("pending", words.pending, all.pending)}
      ${chip("done", words.done, all.done)}
      ${chip("failed", words.failed, all.failed)}
      ${FILTERS.some((name) => name !== "batch" && address[name])
    ? html`<button class="plain" @click=${clear}>${words.clear}</button>` : nothing}
    </div>
    <input class="push" type="search" aria-label=${words.name} placeholder=${words.name}
      .value=${address.name} @input=${typed}></div>
    ${more()}</section>`;
}

/** A pause in typing, not each letter, is a step. */
function typed(event) {
  clearTimeout(timer);
  timer = setTimeout(() => go({ name: event.target.value }, { isStep: false }), TYPED_MS);
}

function more() {
  const isOpen = [...OTHERS, "order"].some((name) => name !== "name" && address[name]);
  return html`<details class="more" ?open=${isOpen}><summary>${words.more}</summary><div class="row">
    <label>${words.status} <select @change=${(e) => go({ status: e.target.value })}>
      ${["", ...STATUSES].map((s) => option(s, s ? texts.states[s] : words.any, address.status))}</select></label>
    <label>${words.since} ${time("since")}</label>
    <label>${words.until} ${time("until")}</label>
    <label>${words.order} <select @change=${(e) => go({ order: e.target.value })}>
      ${option("", words.newest, address.order)}${option("oldest", words.oldest, address.order)}</select></label>
    ${address.code ? html`<span>${words.onlyCode(texts.failures[address.code]?.what ?? address.code)}</span>` : nothing}
  </div></details>`;
}

const option = (value, label, chosen) => html`<option value=${value} .selected=${value === chosen}>${label}</option>`;

const time = (name) => html`<input type="datetime-local" .value=${asLocal(address[name])}
  @change=${(e) => go({ [name]: e.target.value ? new Date(e.target.value).toISOString() : "" })}>`;

/** As the field has it: here, to the minute. */
function asLocal(iso) {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - 60_000 * date.getTimezoneOffset()).toISOString().slice(0, 16);
}

const clear = () => go(Object.fromEntries(FILTERS.filter((name) => name !== "batch").map((name) => [name, ""])));
