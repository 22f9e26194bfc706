// Pausing the workers, and letting them go on.

import { ask, Refused } from "./api.js";
import { moment } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { redraw } from "./redraw.js";
import { askStats, store } from "./store.js";
import { texts } from "./texts.js";

const words = texts.operations.pause;
const ANSWER_MS = 15_000;
let isAsking = false;
let refusal = "";

/** path: "pause" or "resume". A double click is one: the other button stands there by then. */
async function change(path, clicks) {
  if (isAsking || clicks > 1) return;
  isAsking = true;
  refusal = "";
  redraw();
  try {
    const { paused, since } = await ask("POST", path, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (store.stats) store.stats.paused = paused ? { since } : null;
    await askStats().catch(() => {}); // its sentence; else an event brings it
  } catch (error) {
    refusal = error instanceof Refused ? words.refused(error.detail) : words.unreachable;
  }
  isAsking = false;
  redraw();
}

const button = (path, label, kind) => html`<button class=${kind} aria-disabled=${isAsking}
  @click=${(event) => change(path, event.detail)}>${label}</button>`;

export const resumeButton = (kind = "") => button("resume", words.resume, kind);

export function pauseRow() {
  const { paused } = store.stats;
  return html`<div class="row">
    ${paused ? resumeButton() : button("pause", words.pause, "")}
    <small>${paused ? aboutPause(paused.since) : words.about}</small>
    ${refusal ? html`<span class="state bad" role="alert">${refusal}</span>` : nothing}</div>`;
}

const aboutPause = (since) => (since ? words.paused(moment(since)) : words.pausedUnknown);
