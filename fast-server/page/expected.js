// How many images a batch is to have, kept in this browser while some are not sent: after a reload
// the page says how many are missing.

import { countOf } from "./arrived.js";
import { batches, figures } from "./entries.js";
import { redraw } from "./redraw.js";

const KEY = "media-processor-uploads";
const KEPT = 20; // batches
const EVERY_MS = 1000;
const ALIVE_MS = 120_000; // a hidden tab may write only once a minute
let timer = 0;

/** Keep it up to date from now on, until all is sent. */
export function keepExpected() {
  timer ||= setInterval(keep, EVERY_MS);
}

function keep() {
  for (const batch of batches()) {
    const { open, unreadable } = figures(batch);
    const there = countOf(batch);
    if (open + unreadable === 0) forget(batch);
    else if (there !== null) remember(batch, there + open + unreadable, open ? Date.now() : 0);
  }
  if (figures().open > 0) return;
  clearInterval(timer);
  timer = 0;
}

/** How many are expected of a batch that no tab is at; 0 if that is not known. */
export function expectedOf(batch) {
  const { expected = 0, at_ms = 0 } = read()[batch] ?? {};
  return Date.now() - at_ms > ALIVE_MS ? expected : 0;
}

export function forget(batch) {
  const { [batch]: known, ...others } = read();
  if (known) write(others);
  redraw();
}

function remember(batch, expected, at_ms) {
  const { [batch]: _, ...others } = read();
  write({ ...others, [batch]: { expected, at_ms } });
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is forbidden, or has something else there
  }
}

function write(all) {
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(Object.entries(all).slice(-KEPT))));
  } catch {
    // forbidden, or full: then nothing is said after a reload
  }
}

// After a reload it is said at once.
addEventListener("pagehide", () => {
  keep();
  for (const [batch, { expected }] of Object.entries(read())) if (figures(batch).open) remember(batch, expected, 0);
});
