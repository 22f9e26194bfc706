// Small pictures of the rows in view: the service's previews, and until then the dropped file itself.

import { answer, impatient, Refused } from "./api.js";
import { redraw } from "./redraw.js";

const AT_ONCE = 2; // of the browser's six connections; uploads and the event stream have theirs
const SETTLED_MS = 120; // rows that fly past want no picture
const FILE_PX = 112; // a file of megabytes is shown small
const KEPT = 300;
const AGAIN_MS = 60_000; // a preview that cannot be made may be later

const pictures = new Map(); // key -> object URL; the longest unused first
const files = new Map(); // media_id -> File, as dropped into this page
const notBefore = new Map(); // key -> when to ask again
let wanted = new Map(); // key -> media_id, of the rows drawn last
let drawing = new Map();
let filesInView = new Map(); // key -> File
let drawingFiles = new Map();
let isShrinking = false;
let loading = new Map(); // key -> AbortController
let timer = 0;
let settled = true;

const isDone = (item) => item.state === "done";
const keyOf = (item) => `${item.media_id}/${isDone(item) ? "watermarked" : "original"}`;

/** Keep a file that was just sent, to show it until there is a preview. */
export function keepFile(mediaId, file) {
  files.set(mediaId, file);
  if (files.size > 20_000) files.delete(files.keys().next().value);
}

/** The object URL of a picture of the item, or null. It is asked for while its row is drawn. */
export function picture(item) {
  const key = keyOf(item);
  drawing.set(key, item.media_id);
  const { media_id: id } = item;
  return used(key) ?? used(`${id}/original`) ?? used(`${id}/file`) ?? ofFile(`${id}/file`, files.get(id));
}

/** The browser's own picture of a file, or null. It is made while its row is in view. */
export function ofFile(key, file) {
  if (file && !notBefore.has(key)) drawingFiles.set(key, file);
  return used(key);
}

/** One at a time: each is read and decoded as a whole, and a row may be gone before. */
async function shrinkNext() {
  const next = [...filesInView].find(([key]) => !pictures.has(key) && !notBefore.has(key));
  if (!next || isShrinking) return;
  const [key, file] = next;
  isShrinking = true;
  try {
    keep(key, URL.createObjectURL(await shrunk(file)));
  } catch {
    notBefore.set(key, Infinity); // the browser cannot show it, as most cannot show HEIC
  }
  isShrinking = false;
  redraw();
}

async function shrunk(file) {
  const bitmap = await createImageBitmap(file, { resizeWidth: FILE_PX });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob();
}

function used(key) {
  const address = pictures.get(key);
  if (!address) return null;
  pictures.delete(key);
  pictures.set(key, address);
  return address;
}

function keep(key, address) {
  drop(key);
  pictures.set(key, address);
  for (const old of pictures.keys()) {
    if (pictures.size <= KEPT) break;
    drop(old);
  }
  return address;
}

function drop(key) {
  if (pictures.has(key)) URL.revokeObjectURL(pictures.get(key));
  pictures.delete(key);
}

/** After each drawing of rows: what is out of view is no longer asked for. */
export function drawn() {
  [filesInView, drawingFiles] = [drawingFiles, new Map()];
  shrinkNext();
  const isSame = drawing.size === wanted.size && [...drawing.keys()].every((key) => wanted.has(key));
  wanted = drawing;
  drawing = new Map();
  if (isSame) return; // drawn again all the time, as while files are sent, it would never settle
  for (const [key, asked] of loading) if (!wanted.has(key)) asked.abort();
  clearTimeout(timer);
  timer = setTimeout(loadSome, SETTLED_MS);
  settled = false;
}

function loadSome() {
  settled = true;
  let next_ms = Infinity;
  for (const [key, id] of wanted) {
    if (pictures.has(key) || loading.has(key)) continue;
    const wait_ms = (notBefore.get(key) ?? 0) - Date.now();
    if (wait_ms > 0) next_ms = Math.min(next_ms, wait_ms);
    else if (loading.size < AT_ONCE) load(key, id);
  }
  clearTimeout(timer);
  if (next_ms < Infinity) timer = setTimeout(loadSome, next_ms);
}

async function load(key, id) {
  const asked = new AbortController();
  loading.set(key, asked);
  const of = key.split("/")[1];
  try {
    const options = { signal: impatient(asked.signal), cache: "default", priority: "low" };
    const preview = await answer("GET", `media/${id}/preview?of=${of}`, options);
    keep(key, URL.createObjectURL(await preview.blob()));
    files.delete(of === "watermarked" ? id : "");
    redraw();
  } catch (error) {
    const isPending = error instanceof Refused && error.status === 503;
    if (error.name !== "AbortError") {
      notBefore.set(key, Date.now() + (isPending ? 1000 * (error.retryAfter_s ?? 1) : AGAIN_MS));
    }
  }
  loading.delete(key);
  if (settled) loadSome();
}
