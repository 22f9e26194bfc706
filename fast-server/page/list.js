// The list: only the rows in view are in the document, however many there are.

import { address } from "./address.js";
import { FILTERS, REFUSED, TO_SEND } from "./filters.js";
import { count } from "./format.js";
import { onClick, onKey } from "./list_input.js";
import { media } from "./media_list.js";
import { drawn } from "./pictures.js";
import { redraw } from "./redraw.js";
import { drawRows, inView, isAmong, ROW_PX } from "./rows.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";
import { html, nothing } from "./vendor/lit-html.js";

const NEXT = 8; // of what waits to be sent: what is done shall be seen, too
const AHEAD = 50; // rows read before they come into view
let local = []; // what is still in this browser, above the media

const rows = { length: () => local.length + media.items.length, at: (i) => local[i] ?? media.items[i - local.length] };
const element = () => document.querySelector(".list");

const isFiltered = () => FILTERS.some((name) => name !== "batch" && name !== "order" && address[name]);

/** The row that the keyboard is at must not move away. */
const isAtKeyboard = () => Boolean(element()?.querySelector(".item:focus-visible"));

function localRows() {
  const isRefused = (entry) => entry.state === "refused" || entry.state === "unreadable";
  if (address.state === TO_SEND) return uploads.entries.filter((entry) => !isRefused(entry));
  if (address.state === REFUSED) return uploads.entries.filter(isRefused);
  if (isFiltered()) return [];
  const next = uploads.entries.filter((entry) => !isRefused(entry) && entry.state !== "sending").slice(0, NEXT);
  return [...uploads.entries.filter(({ state }) => state === "sending"), ...next, ...uploads.entries.filter(isRefused)];
}

export function list() {
  local = localRows();
  media.isHeld = isAmong(element()) || isAtKeyboard();
  if (!rows.length()) return html`${media.isLoading || media.error ? nothing : empty()}${foot()}`;
  return html`${changesAbove()}
    <div class="card list" role="grid" aria-label=${texts.list.label} aria-multiselectable="true"
      aria-rowcount=${media.next === null ? rows.length() : -1} aria-busy=${media.isLoading}
      .style=${`height: ${Math.max(1, rows.length()) * ROW_PX + 2}px`}
      @keydown=${(event) => onKey(event, rows)} @click=${(event) => onClick(event, rows)}></div>
    ${foot()}`;
}

const empty = () => html`<p class="card empty">${isFiltered() ? texts.list.empty : texts.list.emptyAll}</p>`;

/** The rows, once the list itself is drawn. */
export function drawList() {
  if (!element()) return;
  const range = inView(element(), rows.length());
  drawRows(element(), rows, range);
  drawn();
  if (range[1] + AHEAD > rows.length()) media.more();
}

function changesAbove() {
  if (!media.isHeld || media.waiting() === 0) return nothing;
  const n = media.waiting();
  return html`<button class="changes" @click=${toTop}>↑ ${texts.list.waiting(n, count(n))}</button>`;
}

function toTop() {
  media.release();
  element().scrollIntoView({ block: "start" });
}

function foot() {
  const again = html`<button @click=${() => media.reload(true)}>${texts.list.again}</button>`;
  if (media.error) return html`<p class="row quiet">${texts.list.error(media.error.message)} ${again}</p>`;
  if (media.isLoading) return html`<p class="quiet">${texts.list.loading}</p>`;
  return media.isComplete ? nothing : html`<p class="quiet">${texts.list.incomplete}</p>`;
}

addEventListener("scroll", () => {
  if (!element()) return;
  const { isHeld } = media;
  const isNow = isAmong(element()) || isAtKeyboard();
  if (isHeld && !isNow) media.release();
  if (isHeld !== isNow) redraw();
  drawList(); // in this frame, and nothing else
}, { passive: true });
addEventListener("resize", redraw);
