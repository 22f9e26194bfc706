// The media that are listed, by their ids and in the list's order: media_ids grow with time.

import { address } from "./address.js";

const KEPT = ["media_id", "state", "status", "code", "filename", "ref", "batch", "size", "changed_at"];
const byId = new Map();

export const listed = { items: [], get: (id) => byId.get(id), has: (id) => byId.has(id), push, insert, update, remove, clear };

const kept = (item) => Object.fromEntries(KEPT.map((name) => [name, item[name]]));

/** Behind all others. */
function push(item) {
  byId.set(item.media_id, kept(item));
  listed.items.push(byId.get(item.media_id));
}

/** Where it belongs. */
function insert(item) {
  byId.set(item.media_id, kept(item));
  listed.items.splice(place(item.media_id), 0, byId.get(item.media_id));
}

function update(item) {
  Object.assign(byId.get(item.media_id), kept(item));
}

function remove(id) {
  byId.delete(id);
  listed.items.splice(place(id), 1);
}

function clear() {
  byId.clear();
  listed.items = [];
}

function place(id) {
  let [low, high] = [0, listed.items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comesBefore(listed.items[middle].media_id, id)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const comesBefore = (a, b) => (address.order === "oldest" ? a < b : a > b);
