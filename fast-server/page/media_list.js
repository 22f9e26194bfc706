// The media that match the address' filters, as far as they have been scrolled to, kept up to date.

import { ask } from "./api.js";
import { isLocal, matches, queryOf } from "./filters.js";
import { comesBefore, listed } from "./listed.js";
import { redraw } from "./redraw.js";

const AGAIN_MS = 5000;
const COUNTING_MS = 2000;
const waiting = new Map(); // media_id -> a change that moves rows, while rows must not move
const hidden = new Map(); // media_id -> item, or null: about to be deleted
const heard = new Map(); // media_id -> what an event told while a page was asked for: it is newer than the page
let asking = null;
let reading = Promise.resolve();

/** items: in the list's order. isHeld: rows stay where they are, the reader is among them. */
export const media = {
  get items() { return listed.items; },
  next: null, isLoading: true, error: null, isComplete: true, isHeld: false,
  reload, more, apply, release, hide, unhide, item: listed.get, waiting: () => waiting.size,
};

/** Read the list from its beginning; isSame: as far as it was read. What is shown stays until then. */
function reload(isSame = false) {
  reading = readFirst(isSame ? media.items.length : 0);
}

/** Read the next page, if there is one. Resolves once what is being read has come. */
function more() {
  if (!media.isLoading && !media.error && media.next !== null) reading = readNext();
  return reading;
}

async function readFirst(least) {
  heard.clear();
  const found = [];
  let page = { next: null };
  do {
    page = await read(page.next);
    if (!page) return;
    found.push(...page.media);
  } while (page.next !== null && found.length < least);
  listed.clear();
  waiting.clear();
  take({ ...page, media: found });
  heard.forEach(putIn);
}

async function readNext() {
  heard.clear();
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
    if (asked === asking) failed(error);
    return null;
  } finally {
    if (asked === asking) media.isLoading = false;
    redraw();
  }
}

/** It is read again by itself, unless the question was wrong. */
function failed(error) {
  media.error = error;
  if (!(error.status < 500)) setTimeout(() => media.error === error && reload(true), AGAIN_MS);
}

function take(page) {
  for (const item of page.media) {
    const id = item.media_id;
    const told = heard.get(id);
    if (hidden.has(id)) hidden.set(id, item);
    else if (!listed.has(id) && (!told || belongs(told))) listed.push(told ?? item);
  }
  media.next = page.next;
  media.isComplete = page.complete;
  redraw();
  // After a start, or when its index was removed, the server may not know all of them yet.
  if (!page.complete) setTimeout(() => media.isLoading || reload(true), COUNTING_MS);
}

/** Take what events tell. */
function apply(changes) {
  changes.forEach(applyOne);
  redraw();
}

function applyOne(change) {
  const id = change.media_id;
  if (hidden.has(id)) {
    hidden.set(id, change);
    return;
  }
  if (media.isLoading) heard.set(id, change);
  if (listed.has(id) && change.event !== "removed") listed.update(change);
  if (listed.has(id) === belongs(change) || (!listed.has(id) && isBeyondEnd(change))) waiting.delete(id);
  else if (media.isHeld) waiting.set(id, change);
  else move(change);
}

function move(change) {
  if (belongs(change)) putIn(change);
  else if (listed.has(change.media_id)) listed.remove(change.media_id);
}

function putIn(item) {
  if (belongs(item) && !listed.has(item.media_id) && !isBeyondEnd(item)) listed.insert(item);
}

/** Let what has waited come and go. */
function release() {
  media.isHeld = false;
  waiting.forEach(move);
  waiting.clear();
  redraw();
}

/** Take rows away that are about to be deleted. */
function hide(ids) {
  for (const id of ids) {
    hidden.set(id, listed.get(id) ?? null);
    waiting.delete(id);
    if (listed.has(id)) listed.remove(id);
  }
  redraw();
}

/** They were not: put them back. */
function unhide(ids) {
  for (const id of ids) {
    const item = hidden.get(id);
    hidden.delete(id);
    if (item) putIn(item);
  }
  redraw();
}

const belongs = (change) => change.event !== "removed" && matches(change);

const isBeyondEnd = (item) => media.next !== null && comesBefore(media.next, item.media_id);
