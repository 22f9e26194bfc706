// The event stream. One is open while the page is seen: a browser has six connections to a server.

import { address } from "./address.js";
import { url } from "./api.js";
import * as detail from "./detail.js";
import { media } from "./media_list.js";
import { redraw } from "./redraw.js";
import { askStats, batchChanged, store, takeStats } from "./store.js";

const HIDDEN_MS = 10_000;
const LONGEST_WAIT_MS = 30_000;
const ASK_MS = 5000;
const PATIENCE_MS = 1000;
let source = null;
let lastId = "";
let hiddenTimer = 0;
let openTimer = 0;
let listTimer = 0;
let wait_ms = 1000;

/** Open it, for the batch that is shown. */
export function open() {
  close();
  sleepIfHidden();
  const query = new URLSearchParams();
  if (address.batch) query.set("batch", address.batch);
  if (lastId) query.set("last_event_id", lastId);
  source = new EventSource(url(`events?${query}`));
  let isNew = lastId === "";
  source.onopen = () => {
    wait_ms = 1000;
    setConnection("live");
    if (isNew) readLists();
    isNew = false; // when the browser opens it again, it is told what it has missed
  };
  // The lists are read once events come, so that nothing is missed in between, or without them.
  if (isNew) listTimer = setTimeout(readLists, PATIENCE_MS);
  source.onerror = lost;
  on("changed", (items) => {
    media.apply(items);
    detail.changed(items);
    batchChanged();
  });
  on("stats", takeStats);
  on("resync", () => {
    setConnection("live");
    readLists(true);
  });
  on("degraded", () => setConnection("degraded"));
}

function on(name, take) {
  source.addEventListener(name, (event) => {
    if (event.lastEventId) lastId = event.lastEventId;
    take(JSON.parse(event.data));
  });
}

function readLists(isSame = false) {
  clearTimeout(listTimer);
  media.reload(isSame);
  batchChanged();
}

function close() {
  clearTimeout(openTimer);
  clearTimeout(listTimer);
  source?.close();
  source = null;
}

function setConnection(connection) {
  store.connection = connection;
  redraw();
}

/** The browser tries again by itself, but not after a refusal, such as a proxy's 502. */
function lost() {
  setConnection("lost");
  if (source.readyState !== EventSource.CLOSED) return;
  openTimer = setTimeout(open, wait_ms);
  wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS);
}

/** Another batch is shown: its events only, and from now on. */
export function restart() {
  lastId = "";
  open();
}

function sleepIfHidden() {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(close, HIDDEN_MS);
}

document.addEventListener("visibilitychange", () => {
  sleepIfHidden();
  if (!document.hidden && source === null) open();
});
addEventListener("online", () => document.hidden || source?.readyState === EventSource.OPEN || open());

// Where a proxy lets no stream through, the figures come all the same.
setInterval(() => {
  if (document.hidden || store.connection === "live") return;
  askStats().catch(() => {});
}, ASK_MS);
