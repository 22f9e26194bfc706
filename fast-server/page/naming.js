// What an upload is called: its ref, its name on the page, its Idempotency-Key.

import { newUlid } from "./ulid.js";

const BREAKING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu; // no line of text has them, so no ref may
const UNSEEN = /(?![\u200c\u200d])\p{Cf}/gu; // they turn a name round, or hide in it
const MOST_REF_BYTES = 1024;

/** The path as the server takes it. Of a long one the end, behind a digest that no other path has. */
export function refOf(path) {
  const ref = path.replace(BREAKING, "_");
  const bytes = new TextEncoder().encode(ref);
  if (bytes.length <= MOST_REF_BYTES) return ref;
  const front = `${digest(path)}/`;
  let start = bytes.length - MOST_REF_BYTES + front.length;
  while ((bytes[start] & 0xc0) === 0x80) start += 1; // not in the middle of a character
  return front + new TextDecoder().decode(bytes.subarray(start));
}

/** What people read of a ref: the file's name without what could mislead them. */
export const shownName = (ref) => ref.slice(ref.lastIndexOf("/") + 1).replace(UNSEEN, "") || ref;

/**
 * The same wherever this file is sent to this batch, as in two tabs, or again after a reload:
 * within a day the server then takes it once. Other bytes under it are refused, never mixed up.
 */
export function keyOf(batch, ref, file) {
  return `${batch}-${digest(`${file.size} ${file.lastModified} ${ref}`)}`;
}

/** A key that nobody has. */
export const newKey = (batch) => `${batch}-${newUlid()}`;

/** 53 bits (cyrb53): crypto.subtle is not there on plain http. */
function digest(text) {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < text.length; at += 1) {
    high = Math.imul(high ^ text.charCodeAt(at), 2654435761);
    low = Math.imul(low ^ text.charCodeAt(at), 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (2 ** 32 * (low & 0x1fffff) + (high >>> 0)).toString(36);
}
