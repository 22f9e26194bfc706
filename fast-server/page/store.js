// What the service says of itself and of the batch that is shown.

import { address } from "./address.js";
import { ask } from "./api.js";
import { redraw } from "./redraw.js";

/**
 * stats: the last GET /stats, null before the first. statsAt_ms: when it came.
 * batch: the last GET /batches/{id}, null if there is none or nothing of it has come.
 * connection: "opening", "live", "degraded" (the server hears nothing of its workers), "lost",
 * "asked" (no stream comes through, but answers do).
 */
export const store = {
  stats: null, statsAt_ms: 0, batch: null, isBatchKnown: false, connection: "opening",
};

const BATCH_EVERY_MS = 1000;
const AGAIN_MS = 5000;
let asking = null; // for the stats
let counting = null; // the last count, until another one may begin
let isBatchStale = false;
let uncounted = 0; // taken from this page since the batch was counted

export function takeStats(stats) {
  store.stats = stats;
  store.statsAt_ms = Date.now();
  redraw();
}

/** Ask what goes on, as when no stream tells it. */
export function askStats() {
  asking ??= ask("GET", "stats").then(takeStats).finally(() => { asking = null; });
  return asking;
}

export function forgetBatch() {
  store.batch = null;
  store.isBatchKnown = false;
  [uncounted, counting] = [0, null];
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
  if (address.batch && !counting) countBatch();
}

async function countBatch() {
  const own = (counting = {});
  const before = uncounted;
  isBatchStale = false;
  const [batch, isLost] = await ask("GET", `batches/${address.batch}`)
    .then((found) => [found, false], (error) => [null, !(error.status < 500)]);
  if (own !== counting) return; // another batch is shown
  if (batch) uncounted -= before;
  if (isLost) isBatchStale = true;
  else Object.assign(store, { batch, isBatchKnown: true });
  setTimeout(() => {
    if (own !== counting) return;
    counting = null;
    if (isBatchStale) batchChanged();
  }, isLost ? AGAIN_MS : BATCH_EVERY_MS);
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
