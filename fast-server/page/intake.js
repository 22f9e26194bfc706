// Takes what was dropped, chosen or pasted into the list of uploads.

import { address, go, NO_FILTERS } from "./address.js";
import { ask } from "./api.js";
import * as arrived from "./arrived.js";
import { refusalOf } from "./checks.js";
import * as list from "./entries.js";
import { keepExpected } from "./expected.js";
import { keyOf, refOf, shownName } from "./naming.js";
import { redraw } from "./redraw.js";
import { store, takeStats } from "./store.js";
import { texts } from "./texts.js";
import { isUlid, newUlid } from "./ulid.js";
import { pump } from "./upload_queue.js";

const LIMITS_MS = 3000;
const walks = new Set(); // of folders that are being read

export const isWalking = () => walks.size > 0;

/** Read no folder any further. */
export const stopWalks = () => walks.clear();

export const isBusy = () => isWalking() || list.figures().open > 0;

/** Take the slices of dropped.js. */
export async function receive(slices) {
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

/** The batch that is shown, else a new one. What the shown one has is read before anything is sent. */
function batchForNew() {
  const isShown = isUlid(address.batch);
  const batch = isShown ? address.batch : newUlid();
  if (isShown) arrived.forget(batch);
  else arrived.begin(batch);
  go({ ...NO_FILTERS, view: "images", batch });
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

/** Unless it is there, or here. */
export function addOne(batch, ref, file) {
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
  const why = { code: "unreadable", why: texts.uploads.refusals.unreadable };
  const nothing = { size: 0, lastModified: 0, type: "" };
  return { ...entryOf(batch, ref, nothing), file: null, state: "unreadable", ...why };
}
