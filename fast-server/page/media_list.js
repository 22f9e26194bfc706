// The media that match the address' filters, as far as they have been scrolled to, kept up to date.

import { address } from "./address.js";
import { ask } from "./api.js";
import { isLocal, matches, queryOf } from "./filters.js";
import { redraw } from "./redraw.js";

const KEPT = ["media_id", "state", "status", "code", "filename", "ref", "batch", "size", "changed_at"];
const known = new Map(); // media_id -> item
const waiting = new Map(); // media_id -> a change that moves rows, while rows must not move
const hidden = new Map(); // media_id -> item, or null: about to be deleted
let heard = new Set(); // what events told while a page was asked for: it is newer than the page
let asking = null;

/** items: in the list's order. isHeld: rows stay where they are, the reader is among them. */
export const media = {
  items: [], next: null, isLoading: false, error: null, isComplete: true, isHeld: false,
  reload, more, apply, release, hide, unhide, item: (id) => known.get(id), waiting: () => waiting.size,
};

/** Read the list from its beginning, as far as it was read. What is shown stays until then. */
async function reload(isSame = false) {
  heard = new Set();
  const least = isSame ? media.items.length : 0;
  const found = [];
  let page = { next: null };
  do {
    page = await read(page.next);
    if (!page) return;
    found.push(...page.media);
  } while (page.next !== null && found.length < least);
  // What events told meanwhile is newer than the pages.
  const told = [...heard].map((id) => known.get(id)).filter(Boolean);
  const late = [...waiting.values()].filter((change) => heard.has(change.media_id));
  known.clear();
  waiting.clear();
  media.items = [];
  take({ ...page, media: found });
  for (const item of told) if (!isBeyondEnd(item)) move(item, true);
  apply(late);
}

/** Read the next page, if there is one. */
async function more() {
  if (media.isLoading || media.next === null) return;
  heard = new Set();
  const page = await read(media.next);
  if (page) take(page);
}

async function read(after) {
  asking?.abort();
  const asked = (asking = new AbortController());
  media.isLoading = true;
  media.error = null;
  redraw();
  try {
    if (isLocal()) return { media: [], next: null, complete: true };
    return await ask("GET", `media?${queryOf(after)}`, { signal: asked.signal });
  } catch (error) {
    if (asked === asking) media.error = error;
    return null;
  } finally {
    if (asked === asking) media.isLoading = false;
    redraw();
  }
}

function take(page) {
  for (const item of page.media) {
    if (heard.has(item.media_id) || known.has(item.media_id) || hidden.has(item.media_id)) continue;
    known.set(item.media_id, kept(item));
    media.items.push(known.get(item.media_id));
  }
  media.next = page.next;
  media.isComplete = page.complete;
  redraw();
  // After a start, or when its index was removed, the server may not know all of them yet.
  if (!page.complete) setTimeout(() => media.isLoading || reload(true), 2000);
}

function kept(item) {
  return Object.fromEntries(KEPT.map((name) => [name, item[name]]));
}

/** Take what an event tells. */
function apply(changes) {
  for (const change of changes) {
    if (hidden.has(change.media_id)) continue;
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

/** Take rows away that are about to be deleted. */
function hide(ids) {
  for (const id of ids) {
    hidden.set(id, known.get(id) ?? null);
    if (known.has(id)) move(known.get(id), false);
  }
  redraw();
}

/** They were not: put them back. */
function unhide(ids) {
  for (const id of ids) {
    const item = hidden.get(id);
    hidden.delete(id);
    if (item && !known.has(id)) move(item, true);
  }
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
