// How old the figures are. The server tells only what has changed, so a quiet minute is asked about.

import { address, onChange } from "./address.js";
import { ask } from "./api.js";
import { serverNow_ms } from "./clock.js";
import { redraw } from "./redraw.js";
import { store, takeStats } from "./store.js";

const ANSWER_MS = 10_000; // a connection may die without a word
const ASK_AFTER_MS = 8000;
const OLD_MS = 15_000;
const EVERY_MS = 1000;
let isAsking = false;
let seenSince_ms = Date.now();

/** Since when nothing was heard, in ms of Date.now; null while the figures are fresh. */
export const oldSince_ms = () =>
  store.stats !== null && age_ms() > OLD_MS ? store.statsAt_ms : null;

/** The view was just opened, or its tab: an answer is on its way, so nothing is wrong yet. */
export const isBack = () => Date.now() - seenSince_ms < OLD_MS - ASK_AFTER_MS;

/** The time at the server to which the figures belong: work does not go on in old ones. */
export const asOf_ms = () => serverNow_ms() - (oldSince_ms() === null ? 0 : age_ms());

export const age_ms = () => Date.now() - store.statsAt_ms;

/** Ask until there is an answer, while the view is seen; and let ages grow. */
async function tick() {
  if (document.hidden || address.view !== "operations") return;
  redraw();
  if (isAsking || age_ms() < ASK_AFTER_MS) return;
  isAsking = true;
  await ask("GET", "stats", { signal: AbortSignal.timeout(ANSWER_MS) }).then(takeStats, () => {});
  isAsking = false;
}

function seen() {
  seenSince_ms = Date.now();
  tick();
}

onChange((before) => before.view === address.view || seen());
document.addEventListener("visibilitychange", () => document.hidden || seen());
setInterval(tick, EVERY_MS);
