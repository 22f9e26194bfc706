// What has failed, by reason: what to do, where to look, and a retry for each.

import { follow, linkTo, NO_FILTERS } from "./address.js";
import { retryAll } from "./actions.js";
import { failure } from "./failures.js";
import { count, moment } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { redraw } from "./redraw.js";
import { askStats } from "./store.js";
import { texts } from "./texts.js";

const words = texts.operations.failed;
const ALL = "";
const EVERY_BATCH = "";
const SHOWN = 8;
const retrying = new Set(); // codes
let isOpen = false; // all reasons are shown

export function failedCard({ failures }) {
  const sum = failures?.reduce((all, { count: some }) => all + some, 0);
  return html`<section class="card reasons" aria-labelledby="failed">
    <div class="row"><h2 id="failed" tabindex="-1">${words.title}</h2>
      ${failures?.length > 1 ? html`<span class="push">${allButton(sum)}</span>` : nothing}</div>
    ${failures?.length ? list(failures) : html`<p class="quiet">${failures ? words.none : words.unknown}</p>`}
  </section>`;
}

function list(failures) {
  const hidden = failures.length - SHOWN;
  return html`<ul>${(isOpen ? failures : failures.slice(0, SHOWN)).map(row)}</ul>
    ${hidden > 0 ? html`<button class="plain" aria-expanded=${isOpen} @click=${toggle}>
      ${isOpen ? words.fewer : words.more(hidden, count(hidden))}</button>` : nothing}`;
}

function toggle() {
  isOpen = !isOpen;
  redraw();
}

function row({ code, count: n, first, last }) {
  const { what, todo, retryHelps } = failure(code);
  const shown = { ...NO_FILTERS, view: "images", state: "failed", code };
  return html`<li><b>${count(n)}</b>
    <div><strong>${what}</strong><p class="quiet">${todo}</p><small>${when(first, last)}</small></div>
    <div class="row"><a class="button plain" href=${linkTo(shown)} aria-label=${words.showAll(count(n), what)}
      @click=${(event) => follow(event, shown)}>${words.show}</a>
      ${button(code, words.retry(n, count(n)), words.retryOf(n, count(n), what), retryHelps ? "" : "plain")}</div></li>`;
}

const when = (first, last) => (first === last ? words.at(moment(last)) : words.between(moment(first), moment(last)));

const allButton = (n) => button(ALL, words.retryAll(n, count(n)), words.retryAll(n, count(n)), "");

function button(code, label, longLabel, kind) {
  const isAsked = retrying.has(code);
  return html`<button class=${kind} aria-label=${isAsked ? words.retrying : longLabel}
    aria-disabled=${isAsked || retrying.has(ALL)} @click=${(event) => retry(code, event.detail)}>
    ${isAsked ? words.retrying : label}</button>`;
}

/** A double click is one: another reason may have moved there by then. */
async function retry(code, clicks) {
  if (retrying.has(code) || retrying.has(ALL) || clicks > 1) return;
  retrying.add(code);
  redraw();
  await retryAll(code, EVERY_BATCH);
  await askStats().catch(() => {});
  retrying.delete(code);
  const isHere = document.activeElement?.closest(".reasons");
  redraw();
  if (isHere) requestAnimationFrame(keepFocus);
}

/** The row goes with the pressed button, but the keyboard stays in this card. */
function keepFocus() {
  if (document.activeElement === document.body) document.querySelector("#failed")?.focus();
}
