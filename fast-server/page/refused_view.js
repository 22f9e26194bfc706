// The files that were not taken, by reason.

import { go } from "./address.js";
import { entries, isForGood, isOpen } from "./entries.js";
import { REFUSED } from "./filters.js";
import { count } from "./format.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";
import { html, nothing } from "./vendor/lit-html.js";

const words = texts.uploads.refused;
const NAMED = 3;

export function refusedCard() {
  const groups = Map.groupBy(entries.filter((entry) => !isOpen(entry)), ({ code }) => code);
  if (!groups.size) return nothing;
  return html`<section class="card groups refused" aria-label=${words.label}>${[...groups.values()].map(group)}</section>`;
}

function group(some) {
  const [{ code, why }] = some;
  const names = some.slice(0, NAMED).map(({ name }) => html`<bdi>${name}</bdi>`);
  return html`<div class="row"><b>${count(some.length)} ×</b>
    <span class="why">${some.length > 1 ? words.reasons[code] ?? why : why}
      <span class="quiet">${names.map((name, at) => html`${at ? ", " : ""}${name}`)}${some.length > NAMED
        ? words.others(some.length - NAMED, count(some.length - NAMED)) : ""}</span></span>
    <span class="row push">
      ${some.length > NAMED ? html`<button class="plain" @click=${() => go({ state: REFUSED })}>${words.show}</button>` : nothing}
      ${isForGood(some[0]) ? nothing : html`<button @click=${() => uploads.retry(some)}>${words.retry}</button>`}
      <button class="plain" @click=${() => uploads.dismiss(some)}>${words.dismiss}</button></span></div>`;
}
