// Sentences about what was just done, with a way back where there is one.

import { html, nothing } from "./vendor/lit-html.js";
import { redraw } from "./redraw.js";
import { texts } from "./texts.js";

const SHOWN_MS = 8000;
const notices = [];

/** Show a sentence for a while. action: {label, run}. Returns what takes it away. */
export function notice(text, { kind = "", action = null, shown_ms = SHOWN_MS } = {}) {
  const entry = { text, kind, action };
  const dismiss = () => {
    if (notices.includes(entry)) notices.splice(notices.indexOf(entry), 1);
    redraw();
  };
  entry.dismiss = dismiss;
  notices.push(entry);
  if (notices.length > 3) notices.shift();
  if (kind !== "bad") setTimeout(dismiss, shown_ms); // trouble stays until it was read
  redraw();
  return dismiss;
}

const one = ({ text, kind, action, dismiss }) => html`<div class="notice ${kind}">
  <span>${text}</span>
  ${action ? html`<button @click=${() => { dismiss(); action.run(); }}>${action.label}</button>` : nothing}
  <button class="plain" aria-label=${texts.notice.dismiss} @click=${dismiss}>✕</button></div>`;

export const noticeArea = () => html`${notices.map(one)}`;
