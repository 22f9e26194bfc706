// Sends what waits, some at a time. What becomes of an upload is one of these:
//
//   taken        the server has it
//   not now      503, 507, 429: all wait, for as long as the server says
//   broken       no answer, a proxy's, 408, 500: it is tried again, behind the others, 5 times,
//                not counting those in which the server could not be reached
//   unreadable   the file was changed, or is gone
//   refused      it stays in the list with the server's reason
//
// A repeat has the same key and the same bytes, so that the server takes it once.

import * as arrived from "./arrived.js";
import { isReadable, refusalOf } from "./checks.js";
import { become, entries, moved, putLast, remove, run } from "./entries.js";
import { size } from "./format.js";
import * as hold from "./hold.js";
import { follows } from "./log_reader.js";
import { newKey } from "./naming.js";
import { send } from "./send.js";
import { store } from "./store.js";
import { texts } from "./texts.js";
import { receivedAt_ms } from "./ulid.js";

const words = texts.uploads.refusals;
const AT_ONCE = 4; // of a browser's six connections to a server; to follow the log takes one, too
const NOT_NOW = [429, 503, 507];
const TRIES = 5;
const COUNTING_S = 5;
const KEY_HOLDS_MS = 23 * 3_600_000; // the server knows a key for a day

const stops = new Map(); // entry -> what aborts it
const listeners = [];
let isReading = false;
let timer = 0;

/** Be told of (entry, answer) when one was taken: the entry is no longer in the list. */
export const onAccepted = (listener) => listeners.push(listener);

/** Send what can be sent now. */
export function pump() {
  clearTimeout(timer);
  while (hold.isFree() && !isReading && stops.size < AT_ONCE - (follows() ? 1 : 0)) {
    const entry = next();
    if (!entry) return;
    if (isKeyOld(entry)) lookFor(entry);
    if (arrived.isKnown(entry.batch)) handle(entry);
    else readArrived(entry.batch);
  }
}

/** The next one; without one this comes back when the first is due again. */
function next() {
  const now = Date.now();
  const isQueued = ({ state }) => state === "queued";
  const entry = entries.find((one) => isQueued(one) && one.notBefore_ms <= now);
  if (entry) return entry;
  const due_ms = entries.filter(isQueued).reduce((first, { notBefore_ms }) => Math.min(first, notBefore_ms), Infinity);
  if (due_ms < Infinity) timer = setTimeout(pump, due_ms - now);
  return null;
}

const isKeyOld = ({ firstSent_ms }) => firstSent_ms && Date.now() - firstSent_ms > KEY_HOLDS_MS;

/** It may have been taken, its answer lost, and its key forgotten. */
function lookFor(entry) {
  entry.firstSent_ms = 0;
  arrived.forget(entry.batch);
}

/** See what of the batch is there, then go on. */
async function readArrived(batch) {
  isReading = true;
  try {
    if (await arrived.read(batch)) skipArrived(batch);
    else hold.stop({ detail: texts.uploads.holds.counting }, COUNTING_S);
  } catch (error) {
    // Without an index nobody can tell, but uploads go on: a key of each is known then.
    const isSafe = error.code === "index_unavailable" && Date.now() - receivedAt_ms(batch) < KEY_HOLDS_MS;
    if (isSafe || !hold.stopFor(error)) arrived.begin(batch);
  }
  isReading = false;
  pump();
}

function skipArrived(batch) {
  for (const entry of [...entries]) {
    if (entry.batch !== batch || entry.state !== "queued" || !arrived.has(entry)) continue;
    remove(entry);
    run[entry.firstSent_ms || entry.tries ? "sent" : "skipped"] += 1; // of a repeat only the answer was lost
  }
}

async function handle(entry) {
  const refusal = refusalOf(entry.file, store.stats?.limits);
  if (refusal) {
    become(entry, "refused", refusal);
    return;
  }
  const stop = new AbortController();
  stops.set(entry, stop);
  become(entry, "sending", { firstSent_ms: entry.firstSent_ms || Date.now() });
  const answer = await send(entry, stop.signal, (bytes) => moved(entry, bytes));
  const isWhole = stop.signal.aborted || await isReadable(entry.file);
  if (stops.get(entry) === stop) stops.delete(entry);
  if (!stop.signal.aborted) settle(entry, answer, isWhole);
  pump();
}

/** Stop sending it. What is sent of it again has the same key. */
export function abort(entry) {
  stops.get(entry)?.abort();
  stops.delete(entry);
}

function settle(entry, answer, isWhole) {
  const { status, problem, retryAfter_s } = answer;
  const isTaken = status < 300 && typeof answer.body?.media_id === "string";
  if (isTaken) hold.relax();
  if (isTaken && isWhole) accept(entry, answer.body);
  else if (isTaken) leave(entry, "unreadable", "changed_meanwhile", words.changedMeanwhile);
  else if (!isWhole) leave(entry, "unreadable", "changed", words.changed);
  else if (NOT_NOW.includes(status)) {
    become(entry, "queued");
    putLast(entry); // it may be this file's trouble only
    hold.stop(problem, retryAfter_s);
  } else if (problem?.code === "idempotency_key_reused") {
    become(entry, "queued", { key: newKey(entry.batch) }); // other bytes had it, so these are not there
  } else if (isRefusal(answer)) {
    const isProxy = problem.code === "http_413";
    leave(entry, "refused", problem.code, isProxy ? words.proxyLimit(size(entry.size)) : problem.detail);
  } else broke(entry, answer);
}

/** The gateway's own word on this file, or of a proxy that it is too large. */
function isRefusal({ status, problem }) {
  const isOwn = problem && !problem.code.startsWith("http_");
  return status === 413 || (isOwn && status < 500 && status !== 408);
}

function accept(entry, answer) {
  remove(entry);
  run.sent += 1;
  run.sentBytes += entry.size;
  arrived.note(entry);
  for (const listener of listeners) listener(entry, answer);
}

function leave(entry, state, code, why) {
  become(entry, state, { code, why });
}

async function broke(entry, { status, problem, isStarved }) {
  const why = problem?.detail ?? (status ? words.notTheServer : words.brokeOff);
  const tries = entry.tries + (isStarved ? 0 : 1);
  if (tries > TRIES) leave(entry, "refused", "broken", words.gaveUp(why));
  else {
    become(entry, "queued", { why, tries, notBefore_ms: Date.now() + 1000 * 2 ** tries });
    putLast(entry);
  }
  if (await hold.look()) entry.tries = 0; // it was no fault of this file
}

hold.onRelease(pump);
