// Who works on what, and for how long.

import { follow, linkTo } from "./address.js";
import { count, size, span } from "./format.js";
import { asOf_ms } from "./freshness.js";
import { html, nothing } from "./vendor/lit-html.js";
import { redraw } from "./redraw.js";
import { texts } from "./texts.js";

const words = texts.operations.workers;
const MB = 1024 * 1024;
const SHOWN = 3;
const opened = new Set(); // names of workers all of whose work is shown

export function workersCard(stats) {
  const { workers } = stats;
  const isAny = workers?.length > 0;
  return html`<section class="card workers" aria-labelledby="workers">
    <div class="row"><h2 id="workers">${words.title}</h2>${isAny ? html`<small class="push">${words.lastMinute}</small>` : nothing}</div>
    ${isAny ? html`<ul>${unhealthyFirst(workers).map((worker) => row(worker, stats))}</ul>`
      : html`<p class="quiet">${workers ? words.none : words.unknown}</p>`}</section>`;
}

const unhealthyFirst = (workers) => workers.toSorted((a, b) => Boolean(b.unhealthy) - Boolean(a.unhealthy));

function row(worker, { version, paused }) {
  const about = words.about(worker.version, size(worker.memory_mb * MB), span(since_s(worker.started_at)));
  return html`<li>
    <div><b><bdi>${worker.name}</bdi></b><small>${about}</small>
      ${worker.version === version ? nothing : html`<small class="warn">${words.otherVersion(version)}</small>`}</div>
    <div class="ended">${words.stored(count(worker.stored_last_minute))}
      ${worker.failed_last_minute ? html`<small class="bad">${words.failed(count(worker.failed_last_minute))}</small>` : nothing}</div>
    <div class="at">${worker.unhealthy ? html`<p class="warn">${words.unhealthy(worker.unhealthy)}</p>` : nothing}
      ${worker.at.length ? workOf(worker) : html`<span class="quiet">${paused ? words.paused : words.waits}</span>`}</div></li>`;
}

/** What has taken the longest comes first. */
function workOf({ name, at }) {
  const all = at.toSorted((a, b) => (a.since < b.since ? -1 : 1));
  const isOpen = opened.has(name);
  const hidden = all.length - SHOWN;
  return html`<ul>${(isOpen ? all : all.slice(0, SHOWN)).map(work)}</ul>
    ${hidden > 0 ? html`<button class="plain" aria-expanded=${isOpen} @click=${() => toggle(name)}>
      ${isOpen ? words.less : words.more(count(hidden))}</button>` : nothing}`;
}

function work({ media_id: media, filename, stage, since }) {
  const changes = { view: "images", media };
  return html`<li>${words.stages[stage] ?? stage}
    <a href=${linkTo(changes)} @click=${(event) => follow(event, changes)}><bdi>${filename || media}</bdi></a>
    <small>${words.for(span(since_s(since)))}</small></li>`;
}

const since_s = (iso) => Math.max(0, (asOf_ms() - Date.parse(iso)) / 1000);

function toggle(name) {
  if (!opened.delete(name)) opened.add(name);
  redraw();
}
