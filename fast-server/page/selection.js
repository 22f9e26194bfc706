// Which media are chosen: by a click, with shift up to a row, or all that match the filters.

import { media } from "./media_list.js";
import { redraw } from "./redraw.js";

const chosen = new Set();
let anchor = null; // where a range begins

export const selection = {
  has: (id) => chosen.has(id),
  size: () => items().length,
  idsOf: (state) => items().filter((item) => item.state === state).map((item) => item.media_id),
  isLoading: false,
};

/** Without those that somebody else has deleted, or that no longer match the filters. */
const items = () => [...chosen].map(media.item).filter(Boolean);

export function toggle(id) {
  if (!chosen.delete(id)) chosen.add(id);
  anchor = id;
  redraw();
}

/** All from where the last one was chosen to this one. */
export function extendTo(id) {
  const ends = [anchor ?? id, id].map((one) => media.items.findIndex((item) => item.media_id === one));
  const [from, to] = ends.includes(-1) ? [ends[1], ends[1]] : ends.sort((a, b) => a - b);
  for (const item of media.items.slice(from, to + 1)) chosen.add(item.media_id);
  anchor ??= id;
  redraw();
}

/** All that match, also those that the list has not read yet. */
export async function selectAll() {
  selection.isLoading = true;
  redraw();
  while (media.next !== null && selection.isLoading && !media.error) await media.more();
  if (selection.isLoading) for (const item of media.items) chosen.add(item.media_id);
  selection.isLoading = false;
  redraw();
}

export function selectNone() {
  chosen.clear();
  anchor = null;
  selection.isLoading = false;
  redraw();
}

export const unselect = (id) => chosen.delete(id);
