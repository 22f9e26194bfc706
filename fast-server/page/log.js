// The end of central's log: to read, to filter, to follow.

import { Refused, url } from "./api.js";
import { clock, count, span } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { counts, log } from "./log_lines.js";
import { read, reader, setFollowed } from "./log_reader.js";
import { redraw } from "./redraw.js";
import { texts } from "./texts.js";

export { follows } from "./log_reader.js";

const words = texts.operations.log;
const MOST_LINES = 100_000; // that GET /activity gives at once
let filter = "";

export function logCard() {
  log.element.setAttribute("aria-label", words.title);
  const { all, shown } = counts();
  const isBroken = reader.phase === "broken";
  return html`<section class="card log" aria-labelledby="log">
    <div class="row"><div><h2 id="log">${words.title}</h2><small>${status(all, shown)}</small></div>
      <span class="push row">
        <input type="search" .value=${filter} placeholder=${words.filter} aria-label=${words.filterLabel} @input=${setFilter}>
        <button aria-pressed=${reader.isFollowed} @click=${() => setFollowed(!reader.isFollowed)}>${words.follow}</button>
        ${reader.isFollowed ? nothing : html`<button @click=${read}>${words.again}</button>`}
        <a class="button" href=${url(`activity?tail=${MOST_LINES}`)} download="worker_activity.log">${words.download}</a></span></div>
    ${isBroken ? html`<p class="state bad">${why()}</p>` : nothing}
    ${shown ? nothing : html`<p class="quiet">${whyNothing(all)}</p>`}
    <div class="lines" ?hidden=${!shown}>${log.element}
      ${log.isAtEnd ? nothing : html`<button @click=${log.toEnd}>${words.toEnd}</button>`}</div></section>`;
}

function setFilter(event) {
  filter = event.target.value;
  log.show(filter);
  redraw();
}

function status(all, shown) {
  const lines = filter ? words.matches(count(shown), count(all)) : words.lines(all, count(all));
  return [all ? lines : "", phase()].filter(Boolean).join(" · ");
}

function phase() {
  const wait_s = Math.max(1, Math.ceil((reader.again_ms - Date.now()) / 1000));
  return {
    loading: words.loading,
    read: words.asOf(clock(reader.readAt_ms)),
    following: words.follows,
    broken: words.waits(span(wait_s)),
  }[reader.phase];
}

function why() {
  if (reader.error === null) return words.cutOff;
  return reader.error instanceof Refused ? words.refused(reader.error.detail) : words.unreachable;
}

function whyNothing(all) {
  if (all) return words.noMatch;
  return reader.phase === "read" || reader.phase === "following" ? words.empty : "";
}
