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
const HIDDEN_ASK_MS = 30_000;
const SILENT_MS = 45_000; // a connection may die without a word
const PATIENCE_MS = 1000;
const FEW = 500;
let source = null;
let lastId = "";
let hiddenTimer = 0;
let openTimer = 0;
let listTimer = 0;
let wait_ms = 1000;
let heardAt_ms = 0;
let askedAt_ms = 0;

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
    heardAt_ms = Date.now();
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
    heardAt_ms = Date.now();
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
  if (store.connection !== "asked") setConnection("lost");
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

/** Where no stream comes through, or the tab is hidden, what goes on is asked for now and then. */
async function ask() {
  askedAt_ms = Date.now();
  const isStreaming = source?.readyState === EventSource.OPEN;
  try {
    await askStats();
  } catch {
    if (!isStreaming) setConnection("lost");
    return;
  }
  if (!isStreaming && !document.hidden) setConnection("asked");
  batchChanged();
  if (!document.hidden && media.items.length <= FEW) media.reload(true);
}

setInterval(() => {
  const now = Date.now();
  if (document.hidden) {
    if (source === null && now - askedAt_ms >= HIDDEN_ASK_MS) ask(); // its title tells of it
  } else if (store.connection !== "live") ask();
  else if (now - heardAt_ms > SILENT_MS) open();
}, ASK_MS);
