// The media that match the address' filters, as far as they have been scrolled to, kept up to date.

import { address } from "./address.js";
import { ask } from "./api.js";
import { redraw } from "./redraw.js";

const PAGE = 500;
const FILTERS = ["batch", "state", "status", "code", "name", "since", "until", "order"];
const KEPT = ["media_id", "state", "status", "code", "filename", "ref", "batch", "size", "changed_at"];
/** Filters of what is still in this browser: no media has such a state. */
export const LOCAL_STATES = ["to-send", "refused"];

const known = new Map(); // media_id -> item
const waiting = new Map(); // media_id -> a change that moves rows, while rows must not move
let heard = new Set(); // what events told while a page was asked for: it is newer than the page
let asking = null;

/** items: in the list's order. isHeld: rows stay where they are, the reader is among them. */
export const media = {
  items: [], next: null, isLoading: false, error: null, isComplete: true, isHeld: false,
  reload, more, apply, release, item: (id) => known.get(id), waiting: () => waiting.size,
};

/** Read the list from its beginning. What is shown stays until the answer is there. */
async function reload() {
  const page = await read(null);
  if (!page) return;
  known.clear();
  waiting.clear();
  media.items = [];
  take(page);
}

/** Read the next page, if there is one. */
async function more() {
  if (media.isLoading || media.next === null) return;
  const page = await read(media.next);
  if (page) take(page);
}

async function read(after) {
  asking?.abort();
  const asked = (asking = new AbortController());
  heard = new Set();
  media.isLoading = true;
  media.error = null;
  redraw();
  try {
    if (LOCAL_STATES.includes(address.state)) return { media: [], next: null, complete: true };
    return await ask("GET", `media?${queryOf(after)}`, { signal: asked.signal });
  } catch (error) {
    if (asked === asking) media.error = error;
    return null;
  } finally {
    if (asked === asking) media.isLoading = false;
    redraw();
  }
}

function queryOf(after) {
  const query = new URLSearchParams({ limit: PAGE });
  for (const name of FILTERS) if (address[name]) query.set(name, address[name]);
  if (after) query.set("after", after);
  return query;
}

function take(page) {
  for (const item of page.media) {
    if (heard.has(item.media_id) || known.has(item.media_id)) continue;
    known.set(item.media_id, kept(item));
    media.items.push(known.get(item.media_id));
  }
  media.next = page.next;
  media.isComplete = page.complete;
  redraw();
  // After a start, or when its index was removed, the server may not know all of them yet.
  if (!page.complete) setTimeout(() => media.isLoading || reload(), 2000);
}

function kept(item) {
  return Object.fromEntries(KEPT.map((name) => [name, item[name]]));
}

/** Take what an event tells. */
function apply(changes) {
  for (const change of changes) {
    heard.add(change.media_id);
    const item = known.get(change.media_id);
    const belongs = change.event !== "removed" && matches(change);
    if (item && change.event !== "removed") Object.assign(item, kept(change));
    if (Boolean(item) === belongs || (!item && isBeyondEnd(change))) waiting.delete(change.media_id);
    else if (media.isHeld) waiting.set(change.media_id, change);
    else move(change, belongs);
  }
  redraw();
}

/** Let what has waited come and go. */
function release() {
  media.isHeld = false;
  for (const change of waiting.values()) {
    const belongs = change.event !== "removed" && matches(change);
    if (Boolean(known.get(change.media_id)) !== belongs) move(change, belongs);
  }
  waiting.clear();
  redraw();
}

function move(change, belongs) {
  const at = place(change.media_id);
  if (belongs) {
    known.set(change.media_id, kept(change));
    media.items.splice(at, 0, known.get(change.media_id));
  } else {
    known.delete(change.media_id);
    media.items.splice(at, 1);
  }
}

/** Where it stands, or would: media_ids grow with time. */
function place(id) {
  let [low, high] = [0, media.items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comesBefore(media.items[middle].media_id, id)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const comesBefore = (a, b) => (address.order === "oldest" ? a < b : a > b);

const isBeyondEnd = (item) => media.next !== null && comesBefore(media.next, item.media_id);

function matches(item) {
  const { batch, state, status, code, name, since, until } = address;
  const received = receivedAt_ms(item.media_id);
  return (!batch || item.batch === batch) && (!state || item.state === state)
    && (!status || item.status === status) && (!code || item.code === code)
    && (!name || item.filename.toLowerCase().startsWith(name.toLowerCase()))
    && (!since || received >= Date.parse(since)) && (!until || received < Date.parse(until));
}

/** When it was received: the first 48 bits of a ULID. */
export function receivedAt_ms(id) {
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  return [...id.slice(0, 10)].reduce((time, digit) => time * 32 + digits.indexOf(digit), 0);
}
