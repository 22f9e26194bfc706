// The figures on top of the view. What nobody can tell is said so, and never shown as 0.

import { count, size, span } from "./format.js";
import { html } from "./vendor/lit-html.js";
import { texts } from "./texts.js";

const words = texts.operations.tiles;
const { unknown } = texts.operations;

export const tiles = (stats) => html`<div class="tiles">
  ${[waiting(stats), rate(stats), done(stats), disk(stats)].map(tile)}</div>`;

const tile = ({ name, figure, about, kind }) => html`<section class="card ${kind ?? ""}">
  <h2>${name}</h2><b class=${figure === unknown ? "unknown" : ""}>${figure}</b><small>${about}</small></section>`;

function waiting({ pending, oldest_pending_seconds: oldest, complete }) {
  const name = words.waiting;
  if (pending === null) return { name, figure: unknown, about: words.uncountable };
  const about = oldest === null ? words.none : words.oldest(span(oldest));
  return { name, figure: count(pending), about: complete ? about : words.uncounted };
}

function rate({ workers, pending, eta_seconds: eta }) {
  const ended = workers?.reduce((sum, worker) => sum + worker.stored_last_minute, 0);
  const about = pending === 0 ? words.idle : eta === null ? words.noEta : words.eta(span(eta));
  return { name: words.rate, figure: workers ? words.perMinute(count(ended)) : unknown, about };
}

function done({ per_minute: minutes, failed, done: kept }) {
  const name = words.done;
  if (minutes === null) return { name, figure: unknown, about: words.uncountable };
  const stored = minutes.reduce((sum, minute) => sum + minute.stored, 0);
  return { name, figure: count(stored), about: `${words.kept(count(kept))}, ${words.failed(count(failed))}` };
}

function disk({ disk: state }) {
  const name = words.disk;
  if (state === null) return { name, figure: unknown, about: words.noDisk, kind: "bad" };
  const about = words.ofDisk(size(state.total_bytes));
  return { name, figure: size(state.free_bytes), about, kind: state.enough ? "" : "bad" };
}
