// What of a batch has arrived: a file whose ref and size are there is not sent again.

import { ask } from "./api.js";

const PAGE = 500;
const batches = new Map(); // id -> {seen: a set of refs and sizes, count}
let meanwhile = null; // what was taken while a batch is read: its list may lack it

const mark = (ref, size) => `${size} ${ref}`;

/** A batch that begins here: nothing of it can be there. */
export const begin = (batch) => batches.set(batch, { seen: new Set(), count: 0 });

/** Forget it, so that it is read again: people send to it, and delete from it, elsewhere, too. */
export const forget = (batch) => batches.delete(batch);

export const isKnown = (batch) => batches.has(batch);

export const has = ({ batch, ref, size }) => Boolean(batches.get(batch)?.seen.has(mark(ref, size)));

/** How many images it has; null if that is not known. */
export const countOf = (batch) => batches.get(batch)?.count ?? null;

/** Returns false where the server does not know all of them yet. Throws what ask does. */
export async function read(batch) {
  const found = { seen: new Set(), count: 0 };
  meanwhile = [];
  try {
    let after = "";
    do {
      const page = await ask("GET", `media?batch=${batch}&limit=${PAGE}${after && `&after=${after}`}`);
      if (!page.complete) return false;
      page.media.forEach((image) => take(found, image));
      after = page.next;
    } while (after);
    batches.set(batch, found);
    [...meanwhile].forEach(note);
    return true;
  } finally {
    meanwhile = null;
  }
}

/** This one was just taken. The list may have it already. */
export function note(entry) {
  meanwhile?.push(entry);
  if (isKnown(entry.batch) && !has(entry)) take(batches.get(entry.batch), entry);
}

function take(found, { ref, size }) {
  found.seen.add(mark(ref, size));
  found.count += 1;
}
