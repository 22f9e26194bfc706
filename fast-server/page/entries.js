// The files that the server has not taken yet, and how many there are of which kind.

import { redraw } from "./redraw.js";

/**
 * {key, batch, ref, name, file, size, state, sentBytes, why, code, tries}, in the order in which they
 * are sent. state: "queued", "sending", "paused", "refused", "unreadable".
 */
export const entries = [];

const OPEN = ["queued", "sending", "paused"];
const FOR_GOOD = ["file_empty", "upload_too_large", "unsupported_format", "changed", "changed_meanwhile", "unreadable"];
const newest = new Map(); // batch and ref -> entry
const counts = new Map(); // batch -> {state: how many}
const bytes = { open: 0, moved: 0 }; // of all open files, and what has gone of those being sent

/** What has become of the files since nothing was open. isEmpty: there were none. */
export const run = {};

export function newRun() {
  Object.assign(run, { sent: 0, sentBytes: 0, skipped: 0, leftOut: 0, isEmpty: false });
  redraw();
}
newRun();

export const isOpen = ({ state }) => OPEN.includes(state);

/** Whether to send the same file once more may help. */
export const isForGood = ({ code }) => FOR_GOOD.includes(code);

export const batches = () => [...counts.keys()];

/** Of one batch, or of all. */
export function figures(batch = "") {
  const sum = { queued: 0, sending: 0, paused: 0, refused: 0, unreadable: 0 };
  for (const [one, states] of counts) {
    if (batch && one !== batch) continue;
    for (const state in states) sum[state] += states[state];
  }
  return { ...sum, open: sum.queued + sum.sending + sum.paused, openBytes: bytes.open, movedBytes: bytes.moved };
}

/** The one that was added last with this ref, if it is still here. */
export const find = (batch, ref) => newest.get(`${batch} ${ref}`);

export function add(entry) {
  entries.push(entry);
  newest.set(`${entry.batch} ${entry.ref}`, entry);
  count(entry, 1);
}

/** One that was taken just before somebody clicked at its row is no longer here. */
export const isHere = (entry) => entries.includes(entry);

export function remove(entry) {
  if (!isHere(entry)) return;
  entries.splice(entries.indexOf(entry), 1);
  if (find(entry.batch, entry.ref) === entry) newest.delete(`${entry.batch} ${entry.ref}`);
  count(entry, -1);
}

/** Let it be in another state. changes: what else changes of it. */
export function become(entry, state, changes = {}) {
  if (!isHere(entry)) return;
  count(entry, -1);
  Object.assign(entry, { state, sentBytes: 0, why: "", code: "" }, changes);
  count(entry, 1);
}

/** The others are sent before it. */
export function putLast(entry) {
  entries.splice(entries.indexOf(entry), 1);
  entries.push(entry);
}

/** So many of its bytes have gone. */
export function moved(entry, sentBytes) {
  bytes.moved += sentBytes - entry.sentBytes;
  entry.sentBytes = sentBytes;
  redraw();
}

function count(entry, by) {
  const { batch, state, size, sentBytes } = entry;
  if (!counts.has(batch)) counts.set(batch, {});
  counts.get(batch)[state] = (counts.get(batch)[state] ?? 0) + by;
  if (isOpen(entry)) bytes.open += by * size;
  bytes.moved += by * sentBytes;
  redraw();
}
