// Why images failed, by reason, each with what to do about it.

import { address, follow, linkTo } from "./address.js";
import { retryAll } from "./actions.js";
import { count } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { store } from "./store.js";
import { texts } from "./texts.js";

const SHOWN = 4;

export function groups() {
  const failures = (address.batch ? store.batch : store.stats)?.failures ?? [];
  if (!failures.length) return nothing;
  return html`<section class="card groups" aria-label=${texts.groups.label}>
    ${failures.slice(0, SHOWN).map(group)}
    ${failures.length > SHOWN ? html`<details><summary>${texts.groups.more(count(failures.length - SHOWN))}</summary>
      <div class="groups-more">${failures.slice(SHOWN).map(group)}</div></details>` : nothing}</section>`;
}

function group({ code, count: n }) {
  const { what = code, todo = "" } = texts.failures[code] ?? {};
  const shown = { state: "failed", code, status: "" };
  return html`<div class="row"><b>${count(n)} ×</b>
    <span class="why">${what} <span class="quiet">${todo}</span></span>
    <span class="row"><a class="button plain" href=${linkTo(shown)} aria-label=${texts.groups.showOf(what)}
        @click=${(event) => follow(event, shown)}>${texts.groups.show}</a>
      <button @click=${() => retryAll(code)}>${texts.groups.retryAll(n, count(n))}</button></span></div>`;
}
