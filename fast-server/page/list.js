// The list: only the rows in view are in the document, however many there are.

import { address, go } from "./address.js";
import { remove } from "./actions.js";
import { REFUSED, TO_SEND } from "./filters.js";
import { count } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { media } from "./media_list.js";
import { afterDrawing, redraw } from "./redraw.js";
import { cells, isUpload, keyOf } from "./row.js";
import { extendTo, selectAll, selection, selectNone, toggle } from "./selection.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";

const ROW_PX = 62;
const BEYOND = 6; // rows drawn above and below those in view
const AHEAD = 300; // rows read before they come into view
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity };
let active = null; // key of the row that the keyboard is at
let local = [];

const length = () => local.length + media.items.length;
const rowAt = (index) => local[index] ?? media.items[index - local.length];

/** What is still in this browser and belongs to the state that is shown. */
function localRows() {
  const isRefused = (entry) => ["refused", "unreadable", "cancelled"].includes(entry.state);
  if (address.state === TO_SEND) return uploads.entries.filter((entry) => !isRefused(entry));
  if (address.state === REFUSED) return uploads.entries.filter(isRefused);
  const isFiltered = ["state", "status", "code", "name", "since", "until"].some((name) => address[name]);
  return isFiltered ? [] : uploads.entries.filter((entry) => entry.state === "sending" || isRefused(entry));
}

export function list() {
  local = localRows();
  const [first, slots] = inView();
  const rows = Array.from({ length: slots }, (_, slot) => {
    const index = first + ((slot - first) % slots + slots) % slots; // a row keeps its element
    return index < length() ? row(index, first) : nothing;
  });
  if (first + slots + AHEAD > length()) media.more();
  return html`${changesAbove()}
    <div class="card list" role="grid" aria-label=${texts.list.label} aria-multiselectable="true"
      aria-rowcount=${media.next === null ? length() : -1} aria-busy=${media.isLoading}
      .style=${`height: ${Math.max(1, length()) * ROW_PX + 2}px`} @keydown=${onKey} @click=${onClick}>${rows}</div>
    ${foot()}`;
}

/** The first row to draw, and how many. */
function inView() {
  const element = document.querySelector(".list");
  const top = element ? element.getBoundingClientRect().top : 0;
  const slots = Math.ceil(innerHeight / ROW_PX) + 2 * BEYOND;
  const first = Math.floor(-top / ROW_PX) - BEYOND;
  media.isHeld = top < -ROW_PX;
  return [Math.max(0, Math.min(first, length() - slots)), slots];
}

function row(index, first) {
  const item = rowAt(index);
  const key = keyOf(item);
  const isActive = active === null ? index === Math.max(0, first) : active === key;
  return html`<div class="item" role="row" aria-rowindex=${index + 1} data-index=${index} data-key=${key}
    tabindex=${isActive ? 0 : -1} aria-selected=${selection.has(key)}
    data-open=${address.media === key} .style=${`transform: translateY(${index * ROW_PX}px)`}>${cells(item)}</div>`;
}

function changesAbove() {
  if (!media.isHeld || media.waiting() === 0) return nothing;
  const n = media.waiting();
  return html`<button class="changes" @click=${toTop}>↑ ${texts.list.waiting(n, count(n))}</button>`;
}

function toTop() {
  media.release();
  document.querySelector(".list").scrollIntoView({ block: "start" });
}

function foot() {
  const again = html`<button @click=${() => media.reload(true)}>${texts.list.again}</button>`;
  if (media.error) return html`<p class="row quiet">${texts.list.error(media.error.message)} ${again}</p>`;
  if (media.isLoading) return html`<p class="quiet">${texts.list.loading}</p>`;
  return media.isComplete ? nothing : html`<p class="quiet">${texts.list.incomplete}</p>`;
}

const indexOf = (event) => Number(event.target.closest("[data-index]")?.dataset.index ?? -1);

function onClick(event) {
  const item = rowAt(indexOf(event));
  if (!item || isUpload(item) || event.target.closest("a, button")) return;
  active = keyOf(item);
  if (event.shiftKey) extendTo(active);
  else if (event.target.closest(".choice") || event.ctrlKey || event.metaKey) toggle(active);
  else go({ media: active });
  redraw();
}

function onKey(event) {
  const index = indexOf(event);
  const item = rowAt(index);
  if (!item) return;
  const id = isUpload(item) ? null : keyOf(item);
  const acts = {
    " ": () => id && (event.shiftKey ? extendTo(id) : toggle(id)),
    Enter: () => id && go({ media: id }),
    Delete: () => selection.size() && remove(selection.ids()),
    Escape: () => (selection.size() ? selectNone() : go({ media: "" })),
    a: () => (event.ctrlKey || event.metaKey) && selectAll(),
  };
  const act = event.key in MOVES ? () => moveTo(index + MOVES[event.key], event.shiftKey) : acts[event.key];
  if (!act || (event.key === "a" && !event.ctrlKey && !event.metaKey)) return;
  if (event.target.closest("button") && !(event.key in MOVES)) return;
  event.preventDefault();
  act();
}

function moveTo(index, isRange) {
  const to = Math.max(0, Math.min(index, length() - 1));
  active = keyOf(rowAt(to));
  if (isRange && !isUpload(rowAt(to))) extendTo(active);
  focusRow(to);
}

/** Bring the row into view, below the header, and the keyboard to it. */
function focusRow(index) {
  const top = document.querySelector(".list").getBoundingClientRect().top + index * ROW_PX;
  const header = document.querySelector("header").offsetHeight;
  const over = Math.max(0, top + 2 * ROW_PX - innerHeight);
  scrollBy(0, top < header + 8 ? top - header - 8 : over);
  const focus = () => document.querySelector(`[data-index="${index}"]`)?.focus({ preventScroll: true });
  focus(); // the next key may come before the next frame
  afterDrawing(focus);
}

/** Bring the keyboard back to a row, as when its detail was closed. */
export function focusKey(key) {
  active = key;
  afterDrawing(() => document.querySelector(`[data-key="${key}"]`)?.focus());
}

function onScroll() {
  if (media.isHeld && (document.querySelector(".list")?.getBoundingClientRect().top ?? 0) >= -ROW_PX) media.release();
  redraw();
}
addEventListener("scroll", onScroll, { passive: true });
addEventListener("resize", redraw);
