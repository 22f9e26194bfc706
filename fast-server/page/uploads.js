// What the page knows of its uploads, and can do with them.

import { address, go } from "./address.js";
import { ask } from "./api.js";
import * as arrived from "./arrived.js";
import { refusalOf } from "./checks.js";
import * as list from "./entries.js";
import { keepExpected } from "./expected.js";
import { count } from "./format.js";
import * as hold from "./hold.js";
import { keyOf, refOf, shownName } from "./naming.js";
import { notice } from "./notices.js";
import { redraw } from "./redraw.js";
import { store, takeStats } from "./store.js";
import { texts } from "./texts.js";
import { isUlid, newUlid } from "./ulid.js";
import { abort, onAccepted, pump } from "./upload_queue.js";

const CLEAR = { view: "images", state: "", status: "", code: "", name: "", since: "", until: "", media: "" };
const LIMITS_MS = 3000;
const words = texts.uploads;
const walks = new Set(); // of folders that are being read

/** entries: see entries.js; an entry that was taken leaves it. */
export const uploads = {
  entries: list.entries, run: list.run, onAccepted, receive, totals, hold: hold.current, isWalking: () => walks.size > 0,
  pause, resume, lookNow: hold.look, pauseOne, resumeOne, retry,
  cancel, cancelAll, dismiss, dismissRun: list.newRun,
};

/** Take what was dropped, chosen or pasted: the slices of dropped.js. */
async function receive(slices) {
  if (!isBusy()) list.newRun();
  const walk = {};
  walks.add(walk);
  redraw();
  if (!store.stats) await readLimits();
  let batch = "";
  for await (const slice of slices) {
    if (!walks.has(walk)) return; // all was cancelled
    if (slice.some((found) => !found.isLeftOut)) batch ||= batchForNew();
    add(slice, batch);
  }
  walks.delete(walk);
  list.run.isEmpty = !batch;
  redraw();
}

/** So that nothing is sent in vain. Without an answer the server looks at each itself. */
const readLimits = () => ask("GET", "stats", { signal: AbortSignal.timeout(LIMITS_MS) }).then(takeStats, () => {});

const isBusy = () => walks.size > 0 || list.figures().open > 0;

/** The batch that is shown, else a new one. What the shown one has is read before anything is sent. */
function batchForNew() {
  const isShown = isUlid(address.batch);
  const batch = isShown ? address.batch : newUlid();
  if (isShown) arrived.forget(batch);
  else arrived.begin(batch);
  go({ ...CLEAR, batch });
  return batch;
}

/** found: {file, path}, see dropped.js. */
function add(found, batch) {
  for (const { path, file, isLeftOut } of found) {
    if (isLeftOut) list.run.leftOut += 1;
    else addOne(batch, refOf(path), file);
  }
  keepExpected();
  pump();
}

function addOne(batch, ref, file) {
  const before = list.find(batch, ref);
  if (before && list.isOpen(before) && before.size === file?.size) list.run.skipped += 1;
  else if (file && arrived.has({ batch, ref, size: file.size })) list.run.skipped += 1;
  else {
    if (before && !list.isOpen(before)) list.remove(before); // it was to be dropped again
    list.add(file ? entryOf(batch, ref, file) : unreadable(batch, ref));
  }
}

function entryOf(batch, ref, file) {
  const { size } = file;
  const entry = {
    key: keyOf(batch, ref, file), batch, ref, name: shownName(ref), file, size,
    state: "queued", sentBytes: 0, why: "", code: "", tries: 0, notBefore_ms: 0, firstSent_ms: 0,
  };
  const refusal = refusalOf(file, store.stats?.limits);
  return refusal ? { ...entry, state: "refused", ...refusal } : entry;
}

/** A file, or a folder, that the browser may not read. */
function unreadable(batch, ref) {
  const why = { code: "unreadable", why: words.refusals.unreadable };
  const nothing = { size: 0, lastModified: 0, type: "" };
  return { ...entryOf(batch, ref, nothing), file: null, state: "unreadable", ...why };
}

/** Of the batch that is shown, or of all. */
function totals() {
  const { open, sending, refused, unreadable: lost } = list.figures(address.batch);
  const expected = open + (arrived.countOf(address.batch) ?? 0);
  return { toSend: open - sending, sending, refused: refused + lost, expected };
}

function pause() {
  hold.pause();
  for (const entry of list.entries.filter(({ state }) => state === "sending")) stopSending(entry, "queued");
}

function resume() {
  for (const entry of list.entries.filter(({ state }) => state === "paused")) list.become(entry, "queued");
  hold.resume();
}

function stopSending(entry, state) {
  abort(entry);
  list.become(entry, state);
  pump();
}

function pauseOne(entry) {
  stopSending(entry, "paused");
}

function resumeOne(entry) {
  if (entry.state !== "paused") return; // pressed twice
  list.become(entry, "queued", { notBefore_ms: 0 });
  pump();
}

/** Send what was refused once more, as when its reason is gone. */
function retry(some) {
  const left = some.filter((entry) => !list.isOpen(entry)); // all, unless it is pressed twice
  for (const entry of left) list.become(entry, "queued", { tries: 0, notBefore_ms: 0 });
  keepExpected();
  pump();
}

function cancel(entry) {
  if (list.isHere(entry)) cancelSome([entry]);
}

function cancelAll() {
  walks.clear();
  cancelSome(list.entries.filter(list.isOpen));
  hold.resume(); // a pause is over, too
}

function cancelSome(some) {
  for (const entry of some) {
    abort(entry);
    list.remove(entry);
  }
  const action = { label: words.sending.undo, run: () => addAgain(some) };
  notice(words.sending.cancelled(some.length, count(some.length)), { action });
  keepExpected();
  pump();
}

function addAgain(some) {
  for (const { batch, ref, file } of some) addOne(batch, ref, file);
  keepExpected();
  pump();
}

/** Forget what was refused. */
function dismiss(some) {
  for (const entry of some) list.remove(entry);
  keepExpected();
}

addEventListener("beforeunload", (event) => list.figures().open && event.preventDefault());
addEventListener("offline", () => isBusy() && hold.look());
