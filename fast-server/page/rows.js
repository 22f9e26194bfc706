// The rows in view as elements. A row keeps its element, and with it the focus and the picture, while it
// is in view; then the element becomes another row. The elements are put in the rows' order for screen
// readers, but not in each frame: that takes longer than all else.

import { address } from "./address.js";
import { afterDrawing, redraw } from "./redraw.js";
import { cells, keyOf } from "./row.js";
import { selection } from "./selection.js";
import { render } from "./vendor/lit-html.js";

export const ROW_PX = 62;
const ORDER_MS = 200;
const BEYOND = 6; // rows drawn above and below those in view
let elements = new Map(); // key -> element
let host = null;
let ordering = 0;
let active = null; // key of the row that Tab leads to

/** The first row to draw, and the one behind the last. */
export function inView(element, length) {
  const top = element ? element.getBoundingClientRect().top : 0;
  const count = Math.ceil(innerHeight / ROW_PX) + 2 * BEYOND;
  const first = Math.max(0, Math.min(Math.floor(-top / ROW_PX) - BEYOND, length - count));
  return [first, Math.min(length, first + count)];
}

/** Whether the reader has scrolled down into the list. */
export const isAmong = (element) => element !== null && element.getBoundingClientRect().top < -ROW_PX;

/** Draw the rows [first, end) into the list's element. rows: {length(), at(index)}. */
export function drawRows(element, rows, [first, end]) {
  if (host !== element) elements = new Map();
  host = element;
  const wanted = Array.from({ length: end - first }, (_, nth) => rows.at(first + nth));
  const keys = new Set(wanted.map(keyOf));
  const left = [...elements].filter(([key]) => !keys.has(key));
  const focused = left.find(([, one]) => one.contains(document.activeElement));
  const free = left.filter((one) => one !== focused);
  const tabbed = keys.has(active) ? active : wanted.length && keyOf(wanted[0]);
  wanted.forEach((row, nth) => draw(elementOf(keyOf(row), free), row, first + nth, tabbed));
  for (const [key, one] of free) forget(key, one);
  if (focused) passOn(focused, rows);
  ordering ||= setTimeout(order, ORDER_MS);
}

/** The focus stays with a row that is out of view. Of one that is gone the next has it. */
function passOn([key, one], rows) {
  const index = Number(one.dataset.index);
  const next = rows.at(Math.min(index, rows.length() - 1));
  if (next && keyOf(next) === key) return;
  forget(key, one);
  if (next) focusRow(keyOf(next), { preventScroll: true });
}

function order() {
  ordering = 0;
  const inOrder = [...elements.values()].sort((a, b) => a.dataset.index - b.dataset.index);
  let at = host.firstElementChild;
  for (const one of inOrder) {
    if (one === at) at = at.nextElementSibling;
    else if (!one.contains(document.activeElement)) host.insertBefore(one, at); // moved, it would lose the focus
  }
}

function elementOf(key, free) {
  if (!elements.has(key)) {
    const [old, one] = free.pop() ?? [null, newElement()];
    elements.delete(old);
    elements.set(key, one);
  }
  return elements.get(key);
}

function newElement() {
  const one = document.createElement("div");
  one.className = "item";
  one.setAttribute("role", "row");
  host.append(one);
  return one;
}

function draw(one, row, index, tabbed) {
  const key = keyOf(row);
  const attributes = {
    "aria-rowindex": index + 1, "aria-selected": selection.has(key), "data-index": index, "data-key": key,
    "data-open": address.media === key, tabindex: key === tabbed ? 0 : -1,
  };
  for (const name in attributes) setAttribute(one, name, String(attributes[name]));
  one.style.transform = `translateY(${index * ROW_PX}px)`;
  render(cells(row), one);
}

function setAttribute(one, name, value) {
  if (one.getAttribute(name) !== value) one.setAttribute(name, value);
}

function forget(key, one) {
  elements.delete(key);
  one.remove();
}

/** Let Tab lead to this row. */
export function activate(key) {
  active = key;
  redraw();
}

/** Bring the keyboard to a row: now, since the next key may come before the next frame, and once it is drawn. */
export function focusRow(key, options) {
  activate(key);
  const focus = () => elements.get(key)?.focus(options);
  focus();
  afterDrawing(focus);
}
