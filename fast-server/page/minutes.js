// The minutes of the last hour, as the chart and its table show them.

import { count, minute as clockOf } from "./format.js";
import { texts } from "./texts.js";

const words = texts.operations.chart;
const MINUTE_MS = 60_000;
export const SHOWN = 60;

/**
 * {minute, received, stored, failed} of each, the oldest first; received is null where nobody
 * knows: minutes that have passed since the figures came.
 */
export function lastHour(stats, age_ms) {
  const known = stats.per_minute ?? [];
  if (known.length === 0) return [];
  const last_ms = Date.parse(known.at(-1).minute);
  const passed = Math.min(SHOWN, Math.floor(age_ms / MINUTE_MS));
  const unknown = Array.from({ length: passed }, (_, n) => ({
    minute: new Date(last_ms + (n + 1) * MINUTE_MS).toISOString(),
    received: null, stored: null, failed: null,
  }));
  return [...known, ...unknown].slice(-SHOWN);
}

export const isKnown = ({ received }) => received !== null;

/** {received, stored, failed} of all that are known. */
export function sums(minutes) {
  const sum = (name) => minutes.reduce((all, minute) => all + (minute[name] ?? 0), 0);
  return { received: sum("received"), stored: sum("stored"), failed: sum("failed") };
}

export const figures = ({ received, stored, failed }) =>
  received === null ? words.notKnown : words.figures(count(received), count(stored), count(failed));

/** "12:04". The last one has not ended. */
export function nameOf(minutes, at) {
  const time = clockOf(minutes[at].minute);
  return at === minutes.length - 1 && isKnown(minutes[at]) ? words.soFar(time) : time;
}

/** The end of the axis: a round number whose half is one, too. */
export function axisEnd(minutes) {
  const most = Math.max(2, ...minutes.map((each) => Math.max(each.received, each.stored + each.failed)));
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((times) => times * unit).find((end) => end >= most && end % 2 === 0);
}
