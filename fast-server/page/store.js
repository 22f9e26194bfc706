// What the service says of itself and of the batch that is shown.

import { address } from "./address.js";
import { ask } from "./api.js";
import { redraw } from "./redraw.js";

/**
 * stats: the last GET /stats, null before the first. statsAt_ms: when it came.
 * batch: the last GET /batches/{id}, null if there is none or nothing of it has come.
 * connection: "opening", "live", "degraded" (the server hears nothing of its workers), "lost".
 */
export const store = {
  stats: null, statsAt_ms: 0, batch: null, isBatchKnown: false, connection: "opening",
};

const BATCH_EVERY_MS = 1000;
let isCounting = false; // or was, less than a second ago
let isBatchStale = false;
let uncounted = 0; // taken from this page since the batch was counted

export function takeStats(stats) {
  store.stats = stats;
  store.statsAt_ms = Date.now();
  redraw();
}

/** Ask what goes on, as when no stream tells it. */
export async function askStats() {
  takeStats(await ask("GET", "stats"));
}

export function forgetBatch() {
  store.batch = null;
  store.isBatchKnown = false;
  uncounted = 0;
}

/** An image of the batch was taken: it waits, whether or not it was counted. */
export function taken(batch) {
  if (batch !== address.batch) return;
  uncounted += 1;
  batchChanged();
}

/** Count the batch again: now, or a second after the last count. */
export function batchChanged() {
  isBatchStale = true;
  if (address.batch && !isCounting) countBatch();
}

async function countBatch() {
  const asked = address.batch;
  [isCounting, isBatchStale] = [true, false];
  let batch = store.batch;
  const before = uncounted;
  try {
    batch = await ask("GET", `batches/${asked}`);
    if (asked === address.batch) uncounted -= before;
  } catch (error) {
    if (error.status === 404) batch = null;
  }
  if (asked === address.batch) Object.assign(store, { batch, isBatchKnown: true });
  setTimeout(() => {
    isCounting = false;
    if (isBatchStale) batchChanged();
  }, asked === address.batch ? BATCH_EVERY_MS : 0);
  redraw();
}

/** How many images the view is about: all, or those of its batch. null: not known yet. */
export function totals() {
  const counted = address.batch ? store.batch : store.stats;
  if (counted && counted.pending !== null) {
    return { pending: counted.pending + uncounted, failed: counted.failed, done: counted.done };
  }
  const isEmpty = address.batch && (store.isBatchKnown || uncounted);
  return isEmpty ? { pending: uncounted, failed: 0, done: 0 } : null;
}
