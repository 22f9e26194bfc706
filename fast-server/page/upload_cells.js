// The cells of a file's row that is not taken yet: its state, and what can be done with it.

import { percent } from "./format.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";
import { html } from "./vendor/lit-html.js";

const words = texts.uploads.row;
const SIGNS = { queued: "○", sending: "↑", paused: "‖", refused: "✕", unreadable: "✕" };
const KINDS = { sending: "work", refused: "bad", unreadable: "bad" };

export function uploadState(entry) {
  const { state, sentBytes, size } = entry;
  const word = state === "sending" ? words.sending(percent(sentBytes / size)) : words[state];
  return html`<span class="state ${KINDS[state] ?? ""}"><span aria-hidden="true">${SIGNS[state]}</span> ${word}</span>`;
}

export function uploadActions(entry) {
  const act = (sign, label, run) => html`<button class="plain act" aria-label=${label(entry.name)} title=${label(entry.name)}
    @click=${run}>${sign}</button>`;
  const again = {
    paused: () => act("▶\ufe0e", words.resume, () => uploads.resumeOne(entry)),
    refused: () => act("↻", words.retry, () => uploads.retry([entry])),
    unreadable: () => "",
  }[entry.state] ?? (() => act("‖", words.pause, () => uploads.pauseOne(entry)));
  const isOver = entry.state === "refused" || entry.state === "unreadable";
  return html`${again()}${isOver
    ? act("✕", words.dismiss, () => uploads.dismiss([entry]))
    : act("✕", words.cancel, () => uploads.cancel(entry))}`;
}
