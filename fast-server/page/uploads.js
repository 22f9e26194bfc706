// What the page knows of its uploads, and can do with them.

import { address } from "./address.js";
import * as arrived from "./arrived.js";
import * as list from "./entries.js";
import { keepExpected } from "./expected.js";
import { count } from "./format.js";
import * as hold from "./hold.js";
import { addOne, isBusy, isWalking, receive, stopWalks } from "./intake.js";
import { notice } from "./notices.js";
import { texts } from "./texts.js";
import { abort, onAccepted, pump } from "./upload_queue.js";

const words = texts.uploads.sending;

/** entries: see entries.js; an entry that was taken leaves it. */
export const uploads = {
  entries: list.entries, run: list.run, onAccepted, receive, totals, hold: hold.current, isWalking,
  pause, resume, lookNow: hold.look, pauseOne, resumeOne, retry,
  cancel, cancelAll, dismiss, dismissRun: list.newRun,
};

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
  stopWalks();
  cancelSome(list.entries.filter(list.isOpen));
  hold.resume(); // a pause is over, too
}

function cancelSome(some) {
  for (const entry of some) {
    abort(entry);
    list.remove(entry);
  }
  const action = { label: words.undo, run: () => addAgain(some) };
  notice(words.cancelled(some.length, count(some.length)), { action });
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
