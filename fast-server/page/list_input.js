// What the mouse and the keyboard do in the list.

import { remove } from "./actions.js";
import { go } from "./address.js";
import { media } from "./media_list.js";
import { afterDrawing } from "./redraw.js";
import { isUpload, keyOf } from "./row.js";
import { activate, focusRow, ROW_PX } from "./rows.js";
import { extendTo, selectAll, selection, selectNone, toggle } from "./selection.js";

const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity };
const GAP_PX = 8;

const indexOf = (event) => Number(event.target.closest("[data-index]")?.dataset.index ?? -1);

export function onClick(event, rows) {
  const row = rows.at(indexOf(event));
  if (!row || isUpload(row) || event.target.closest("a, button")) return;
  const id = keyOf(row);
  activate(id);
  if (event.shiftKey) extendTo(id);
  else if (event.target.closest(".choice") || event.ctrlKey || event.metaKey) toggle(id);
  else go({ media: id });
}

export function onKey(event, rows) {
  const index = indexOf(event);
  const act = index < 0 ? null : actOf(event, rows, index);
  if (!act) return;
  event.preventDefault();
  act();
}

function actOf(event, rows, index) {
  if (event.key === "End") return () => moveToEnd(event.shiftKey, rows);
  if (event.key in MOVES) return () => moveTo(index + MOVES[event.key], event.shiftKey, rows);
  if (event.target.closest("button")) return null; // of an upload: the keys are its own
  const row = rows.at(index);
  const id = isUpload(row) ? null : keyOf(row);
  if (event.key === " " && id) return () => (event.shiftKey ? extendTo(id) : toggle(id));
  if (event.key === "Enter" && id) return () => go({ media: id });
  if (event.key === "Delete") return () => removeEnded(selection.size() ? null : row);
  if (event.key === "Escape") return selection.size() ? selectNone : () => go({ media: "" });
  return event.key === "a" && (event.ctrlKey || event.metaKey) ? selectAll : null;
}

/** What is selected, else the row itself. Those under way cannot be deleted. */
function removeEnded(row) {
  const selected = [...selection.idsOf("done"), ...selection.idsOf("failed")];
  const own = row && ["done", "failed"].includes(row.state) ? [keyOf(row)] : [];
  if (selected.length + own.length) remove([...selected, ...own]);
}

/** All of the list is read first. */
async function moveToEnd(isRange, rows) {
  while (media.next !== null && !media.error) await media.more();
  afterDrawing(() => moveTo(Infinity, isRange, rows)); // the list has its new height then
}

function moveTo(index, isRange, rows) {
  const to = Math.max(0, Math.min(index, rows.length() - 1));
  const row = rows.at(to);
  scrollTo(to);
  focusRow(keyOf(row), { preventScroll: true });
  if (isRange && !isUpload(row)) extendTo(keyOf(row));
}

/** Bring the row into view, below the header. */
function scrollTo(index) {
  const top = document.querySelector(".list").getBoundingClientRect().top + index * ROW_PX;
  const header = document.querySelector("header").getBoundingClientRect();
  const free = Math.max(0, header.bottom) + GAP_PX;
  if (top < free) scrollBy(0, top - free);
  else scrollBy(0, Math.max(0, top + 2 * ROW_PX - innerHeight));
}
