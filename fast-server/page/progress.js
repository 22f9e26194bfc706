// "481 of 500 are done": how far the images are that the view is about, and what to do with them.

import { address } from "./address.js";
import { count, day, span } from "./format.js";
import { batchButtons } from "./batch_buttons.js";
import { html, nothing } from "./vendor/lit-html.js";
import { interrupted } from "./interrupted.js";
import { media } from "./media_list.js";
import { Pace } from "./pace.js";
import { store, totals } from "./store.js";
import { texts } from "./texts.js";
import { receivedAt_ms } from "./ulid.js";
import { uploads } from "./uploads.js";

const words = texts.progress;
let pace = new Pace();
let paceOf = "";

/** Where all stands: the figures, and a sentence of them. */
export function overall() {
  const isKnown = totals() !== null;
  const counted = totals() ?? { pending: 0, failed: 0, done: 0 };
  const { toSend, sending, expected } = uploads.totals();
  const waiting = toSend + sending;
  const ended = counted.done + counted.failed;
  const there = ended + counted.pending;
  // What the server has while its answer is on the way counts once.
  const total = waiting ? Math.max(expected, address.batch ? there : there + waiting) : Math.max(there, interrupted()?.expected ?? 0);
  const pending = waiting ? Math.max(0, total - waiting - ended) : counted.pending;
  return {
    ...counted, isKnown, pending, waiting, ended, total, isUnderWay: ended < total, sentence: sentenceOf(counted, total),
  };
}

function sentenceOf({ done, failed }, total) {
  if (totals() === null) return words.loading;
  if (total === 0) return address.batch ? words.nothingOfBatch : words.nothing;
  if (done === total && !uploads.totals().toSend) return words.allDone(total, count(total));
  if (done + failed === total) return words.ended(count(done), failed, count(failed));
  return words.done(count(done), count(total));
}

/** The card on top of the list. */
export function progressCard() {
  const all = overall();
  return html`<section class="card" aria-labelledby="progress">
    <div class="row"><div><h1 id="progress">${all.sentence}</h1><small>${detailsOf(all)}</small></div>
      <span class="row push">${batchButtons(all)}</span></div>
    ${all.total ? bar(all) : nothing}</section>`;
}

function detailsOf(all) {
  const parts = [address.batch ? batchName() : words.everything];
  if (all.waiting) parts.push(words.toSend(count(all.waiting)));
  if (all.pending) parts.push(words.pending(all.pending, count(all.pending)));
  if (all.failed) parts.push(words.failed(count(all.failed)));
  const left_s = secondsLeft(all);
  if (all.isUnderWay && store.stats?.paused) parts.push(words.paused);
  else if (left_s !== null && !all.waiting) parts.push(words.left(span(Math.ceil(left_s)))); // else sending says it
  return parts.filter(Boolean).join(" · ");
}

/** The folder that all of it came from, else when it was begun. */
function batchName() {
  const [first, last] = [media.items[0], media.items.at(-1)].map((item) => /^([^/]+)\//.exec(item?.ref ?? "")?.[1]);
  return first && first === last ? first : words.batchOf(day(receivedAt_ms(address.batch)));
}

function secondsLeft({ ended, total, isUnderWay }) {
  if (paceOf !== address.batch) [pace, paceOf] = [new Pace(), address.batch];
  const left_s = pace.secondsLeft(ended, total - ended);
  return isUnderWay ? left_s : null;
}

function bar({ done, failed, pending, waiting, total }) {
  const part = (kind, n) => (n ? html`<i class=${kind} .style=${`width: ${(100 * n) / total}%`}></i>` : nothing);
  const said = words.bar(count(done), count(pending), count(failed), count(waiting));
  return html`<div class="bar" role="img" aria-label=${said}>
    ${part("good", done)}${part("bad", failed)}${part("work", pending)}</div>`;
}
