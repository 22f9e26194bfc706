// Why nothing is sent just now, and until when: what stops all uploads. Before they go on, the server
// is asked whether it takes any: that costs less than to send a file that it refuses.

import { ask, Refused } from "./api.js";
import { redraw } from "./redraw.js";
import { store } from "./store.js";
import { texts } from "./texts.js";

const words = texts.uploads.holds;
const LOOK_MS = 10_000;
const LONGEST_S = 60; // between two looks, where the server does not say
const LONGEST_ASKED_S = 600;
const SIGN_IN = [401, 407];

let isPaused = false;
let trouble = null; // {by, reason, until_ms}
let looking = null; // a promise
let misses = 0; // since an upload was taken
let timer = 0;
let clock = 0;
let wasLive = false;
let goOn = () => {};

/** Name what goes on once nothing stops it. */
export const onRelease = (next) => (goOn = next);

export const isFree = () => !isPaused && !trouble && !looking;

/** null, or {by: "user"}, or {by: "offline", "line" or "server", reason, until_ms}. */
export const current = () => (isPaused ? { by: "user" } : trouble);

export function pause() {
  isPaused = true;
  redraw();
}

/** Go on now, whatever it waits for. */
export function resume() {
  isPaused = false;
  redraw();
  if (trouble) look();
  else goOn();
}

/** The server takes nothing now, and says why. */
export function stop({ code, detail }, retryAfter_s) {
  if (!trouble) wait({ by: "server", reason: words[code] ?? detail, retryAfter_s });
}

/** Something went wrong: see whether it is more than one file's. Returns a promise of that. */
export const look = () => (looking ??= askWhetherReady());

async function askWhetherReady() {
  clearTimeout(timer);
  const found = await ask("GET", "ready", { signal: AbortSignal.timeout(LOOK_MS) }).then(() => null, troubleOf);
  looking = null;
  if (found) wait(found);
  else release();
  return Boolean(found);
}

/** An upload was taken: the next trouble is a new one. */
export const relax = () => (misses = 0);

/** Wait for what this error of ask says. Any other one is not for all uploads to wait for. */
export function stopFor(error) {
  const found = troubleOf(error);
  if (found) wait(found);
  return Boolean(found);
}

function troubleOf(error) {
  if (!(error instanceof Refused)) {
    return navigator.onLine ? { by: "line", reason: words.line } : { by: "offline", reason: words.offline };
  }
  const { status, detail, retryAfter_s } = error;
  if (SIGN_IN.includes(status)) return { by: "server", reason: words.signIn };
  const isForAll = status >= 500 || status === 429;
  return isForAll ? { by: "server", reason: words[error.code] ?? detail, retryAfter_s } : null;
}

function wait({ by, reason, retryAfter_s = null }) {
  const wait_s = retryAfter_s === null ? Math.min(2 ** misses, LONGEST_S) : Math.min(retryAfter_s, LONGEST_ASKED_S);
  misses += 1;
  const wait_ms = 1000 * Math.max(1, wait_s);
  trouble = { by, reason, until_ms: Date.now() + wait_ms };
  wasLive = isLive();
  clearTimeout(timer);
  timer = setTimeout(look, wait_ms);
  clock ||= setInterval(tick, 1000);
  redraw();
}

const isLive = () => store.connection === "live";

/** The event stream may be back before it is time. */
function tick() {
  if (isLive() && !wasLive) look();
  wasLive = isLive();
  redraw(); // the countdown
}

function release() {
  trouble = null;
  clearTimeout(timer);
  clearInterval(clock);
  clock = 0;
  redraw();
  goOn();
}

function lookAgain() {
  if (trouble && !document.hidden) look();
}

addEventListener("online", lookAgain);
document.addEventListener("visibilitychange", lookAgain); // as when a laptop wakes up
