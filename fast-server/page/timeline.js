// What has happened to an image: received, each attempt with its worker and its error, stored.

import { clock, count, moment, size, span } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { texts } from "./texts.js";

const words = texts.timeline;

export function timeline(record) {
  const began = record.received_at;
  return html`<ol class="timeline" aria-label=${words.label}>
    ${stepsOf(record).map(({ at, kind, what, more }) => html`<li>
      <small title=${at ? moment(at) : ""}>${at ? when(at, began) : ""}</small><i class="dot ${kind}" aria-hidden="true"></i>
      <span>${what} ${more ? html`<small>${more}</small>` : nothing}</span></li>`)}</ol>`;
}

/** The first by the clock, the others by how much later they were. */
function when(at, began) {
  const after_s = (Date.parse(at) - Date.parse(began)) / 1000;
  return at === began || !(after_s >= 0) ? clock(at) : `+ ${span(after_s)}`;
}

function stepsOf(record) {
  const steps = [];
  const { width, height, size: bytes } = record;
  const pixels = width && height ? words.pixels(count(width), count(height)) : "";
  if (record.received_at) {
    const more = [bytes === null ? "" : size(bytes), pixels].filter(Boolean).join(", ");
    steps.push({ at: record.received_at, kind: "good", what: words.received, more });
  }
  let since = record.received_at;
  for (const attempt of record.attempts) {
    const waited_s = (Date.parse(attempt.started_at) - Date.parse(since)) / 1000;
    if (waited_s >= 1) steps.push({ at: since, kind: "idle", what: words.waited(span(waited_s)) });
    steps.push(stepOf(attempt));
    since = attempt.ended_at ?? attempt.started_at;
  }
  if (record.stored) steps.push({ at: record.stored.stored_at, kind: "good", what: words.stored });
  else if (record.status === "failed") steps.push({ at: since, kind: "bad", what: words.failed });
  else steps.push({ at: record.next_attempt_at, kind: "idle", what: record.next });
  return steps;
}

function stepOf({ stage, worker, started_at: at, ended_at: end, error }) {
  if (error) return { at, kind: "warn", what: words.failedAttempt[stage](worker), more: error.detail };
  if (!end) return { at, kind: "work", what: words.running[stage](worker) };
  const took = span((Date.parse(end) - Date.parse(at)) / 1000);
  return { at, kind: "good", what: words.made[stage](worker), more: words.took(took) };
}
