// What the service is made of, and how each part is: what is wrong stands first, with what to do.

import { serverNow_ms } from "./clock.js";
import { count, moment, size, span } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { texts } from "./texts.js";

const words = texts.operations.parts;
const SIGNS = { good: "✓", bad: "✕", warn: "!", idle: "?" };

/** {kind, name, said, since, todo} of each; kind is "idle" where nobody can tell. */
export function parts(stats) {
  const all = [redis, disk, workers, central, index].map((part) => part(stats)).filter(Boolean);
  return [...all.filter(isWrong), ...all.filter((part) => !isWrong(part))];
}

const isWrong = ({ kind }) => kind === "bad" || kind === "warn";

const redis = (stats) => reached(words.redis, stats.redis);
const central = (stats) => reached(words.central, stats.central);

function reached({ name, well, todo }, state) {
  if (state === null) return { kind: "idle", name, said: texts.operations.unknown };
  if (state.reason === null) return { kind: "good", name, said: well, since: state.since };
  return { kind: "bad", name, said: state.reason, since: state.since, todo };
}

function disk({ disk: state }) {
  const { name, gone, find, well, full, todo } = words.disk;
  if (state === null) return { kind: "bad", name, said: gone, todo: find };
  const free = size(state.free_bytes);
  if (state.enough) return { kind: "good", name, said: well(free) };
  return { kind: "bad", name, said: full(free, size(state.least_free_bytes)), todo };
}

function index({ pending }) {
  const { name, gone, todo } = words.index;
  return pending === null ? { kind: "warn", name, said: gone, todo } : null; // else of no interest
}

function workers({ workers: all }) {
  const { name, none, todo, unhealthy } = words.workers;
  if (all === null) return { kind: "idle", name, said: texts.operations.unknown };
  if (all.length === 0) return { kind: "bad", name, said: none, todo };
  const ill = all.filter((worker) => worker.unhealthy);
  if (ill.length === 0) return { kind: "good", name, said: count(all.length) };
  return { kind: "warn", name, said: ill.map((one) => unhealthy(one.name, one.unhealthy)).join(" ") };
}

/** What is wrong, each on a line; then the rest in one. */
export function partsList(stats) {
  const all = parts(stats);
  return html`<ul class="parts">${all.filter(isWrong).map(line)}</ul>
    <ul class="parts well">${all.filter((part) => !isWrong(part)).map(mark)}</ul>`;
}

const line = ({ kind, name, said, since, todo }) => html`<li>
  <b class="state ${kind}"><span aria-hidden="true">${SIGNS[kind]}</span> ${name}</b>
  <span><bdi>${said}</bdi> ${todo ? html`<span class="quiet">${todo}</span>` : nothing}
  ${since ? html`<small>${sinceWhen(since)}</small>` : nothing}</span></li>`;

const mark = ({ kind, name, said }) => html`<li class="state ${kind}">
  <span aria-hidden="true">${SIGNS[kind]}</span> ${name} <span class="quiet">${said}</span></li>`;

function sinceWhen(iso) {
  const seconds = Math.max(0, (serverNow_ms() - Date.parse(iso)) / 1000);
  return texts.operations.summary.since(moment(iso), span(seconds));
}
