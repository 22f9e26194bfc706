// Reading central's log: its end once, or also each line that comes, while somebody looks at it.

import { address, onChange } from "./address.js";
import { answer } from "./api.js";
import { log } from "./log_lines.js";
import { redraw } from "./redraw.js";

const LONGEST_WAIT_MS = 10_000;
const GATHER_MS = 200; // lines that come together are shown together
const SILENT_MS = 60_000; // a connection may die without a word: then it is asked for again
let reading = null; // what aborts it
let timer = 0;
let wait_ms = 1000;

/** phase: "loading", "read" (once, readAt_ms), "following", "broken" (error; again at again_ms). */
export const reader = { isFollowed: false, phase: "loading", readAt_ms: 0, error: null, again_ms: 0 };

/** Whether a connection is held for it. */
export const follows = () => reader.isFollowed && reading !== null;

const isSeen = () => address.view === "operations" && !document.hidden;

/** Read its end, and what comes if it is followed. */
export async function read() {
  stop();
  if (!isSeen()) return;
  const mine = (reading = new AbortController());
  if (reader.phase !== "broken") reader.phase = "loading";
  redraw();
  try {
    const path = `activity?tail=${log.most}&follow=${Number(reader.isFollowed)}`;
    const response = await answer("GET", path, { signal: mine.signal });
    reader.phase = reader.isFollowed ? "following" : "loading";
    wait_ms = 1000;
    await show(response, mine);
    if (mine !== reading) return;
    if (reader.isFollowed) broken(null); // central or the gateway was ended
    else ended();
  } catch (error) {
    if (mine === reading) broken(error);
  }
}

function stop() {
  clearTimeout(timer);
  reading?.abort();
  reading = null;
}

function ended() {
  clearTimeout(timer);
  reading = null;
  reader.phase = "read";
  reader.readAt_ms = Date.now();
  redraw();
}

/** Try again later. error: null where it was read to an end that should not be. */
function broken(error) {
  stop();
  Object.assign(reader, { phase: "broken", error, again_ms: Date.now() + wait_ms });
  timer = setTimeout(read, wait_ms);
  wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS);
  redraw();
}

/** Show what comes until it ends. The lines of before go once the first new ones are there. */
async function show(response, mine) {
  let gathered = [];
  let rest = "";
  let put = log.set;
  let putting = 0;
  const flush = () => {
    putting = 0;
    if (mine !== reading) return;
    put(gathered);
    [put, gathered] = [log.add, []];
    redraw();
    requestAnimationFrame(log.stay); // once the view has given it its place
  };
  waitForMore();
  for await (const piece of piecesOf(response)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    gathered.push(...lines);
    putting ||= setTimeout(flush, put === log.set ? 0 : GATHER_MS);
    waitForMore();
  }
  clearTimeout(putting);
  if (rest) gathered.push(rest);
  flush();
}

function waitForMore() {
  clearTimeout(timer);
  timer = setTimeout(read, SILENT_MS);
}

async function* piecesOf(response) {
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) yield piece.value;
}

export function setFollowed(isFollowed) {
  reader.isFollowed = isFollowed;
  log.isAtEnd ||= isFollowed;
  read();
}

/** A view that nobody sees holds no connection. */
function tend() {
  if (!isSeen()) stop();
  else if (reading === null) read();
}

onChange((before) => before.view === address.view || tend());
document.addEventListener("visibilitychange", () => reader.phase === "read" || tend());
if (isSeen()) read();
