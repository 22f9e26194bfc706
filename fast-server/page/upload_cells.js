// The cells of a file's row that is not taken yet: its state, and what can be done with it.

import { isForGood, isOpen } from "./entries.js";
import { percent } from "./format.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";
import { html, nothing } from "./vendor/lit-html.js";

const words = texts.uploads.row;
const SIGNS = { queued: "○", sending: "↑", paused: "○", refused: "✕", unreadable: "✕" };
const KINDS = { sending: "work", refused: "bad", unreadable: "bad" };
const LINES = {
  pause: "M5.5 3v10M10.5 3v10", resume: "M5 3l8 5-8 5z", retry: "M13 8a5 5 0 1 1-1.6-3.7M13.2 1.8v3.4H9.8",
  stop: "M4 4l8 8M12 4l-8 8",
};

export function uploadState(entry) {
  const { state, sentBytes, size } = entry;
  const word = state === "sending" ? words.sending(percent(sentBytes / size)) : words[state];
  return html`<span class="state ${KINDS[state] ?? ""}"><span aria-hidden="true">${SIGNS[state]}</span> ${word}</span>`;
}

export const uploadActions = (entry) => (isOpen(entry)
  ? html`${entry.state === "paused"
    ? act("resume", words.resume, entry, uploads.resumeOne)
    : act("pause", words.pause, entry, uploads.pauseOne)}${act("stop", words.cancel, entry, uploads.cancel)}`
  : html`${isForGood(entry) ? nothing : act("retry", words.retry, entry, (one) => uploads.retry([one]))}${
    act("stop", words.dismiss, entry, (one) => uploads.dismiss([one]))}`);

const act = (lines, label, entry, run) => html`<button class="plain act" aria-label=${label(entry.name)}
  title=${label(entry.name)} @click=${() => run(entry)}><svg viewBox="0 0 16 16" aria-hidden="true">
  <path d=${LINES[lines]}></path></svg></button>`;
