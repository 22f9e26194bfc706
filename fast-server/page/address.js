// What is shown, kept in the page's URL: a reload or a copied link shows the same.

import { redraw } from "./redraw.js";

const NAMES = ["batch", "state", "status", "code", "name", "since", "until", "order", "media"];
/** All there is, unfiltered and in its usual order. */
export const NO_FILTERS = Object.fromEntries(NAMES.map((name) => [name, ""]));
const listeners = [];

/** view: "images" or "operations". The others: "" or as in GET /media; media: the one in detail. */
export const address = {};

export const onChange = (listener) => listeners.push(listener);

function read() {
  const query = new URLSearchParams(location.search);
  for (const name of NAMES) address[name] = query.get(name) ?? "";
  address.view = location.hash === "#operations" ? "operations" : "images";
}

/** The URL of this page with some of it changed. */
export function linkTo(changes) {
  const wanted = { ...address, ...changes };
  const query = new URLSearchParams();
  for (const name of NAMES) if (wanted[name]) query.set(name, wanted[name]);
  const hash = wanted.view === "operations" ? "#operations" : "";
  return `${location.pathname}${query.size ? "?" : ""}${query}${hash}`;
}

/** Show something else. isStep: the browser's Back leads back from it. */
export function go(changes, { isStep = true } = {}) {
  const before = { ...address };
  const link = linkTo(changes);
  if (link === location.pathname + location.search + location.hash) return;
  if (isStep) history.pushState(null, "", link);
  else history.replaceState(null, "", link);
  tell(before);
}

function tell(before) {
  read();
  for (const listener of listeners) listener(before);
  redraw();
}

/** For a link's click: without a new page, unless a new tab is wanted. */
export function follow(event, changes) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button > 0) return;
  event.preventDefault();
  go(changes);
}

addEventListener("popstate", () => tell({ ...address }));
read();
