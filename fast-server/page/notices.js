// Sentences about what was just done, with a way back where there is one.

import { redraw } from "./redraw.js";
import { texts } from "./texts.js";
import { html, nothing } from "./vendor/lit-html.js";

const SHOWN_MS = 8000;
const AGAIN_MS = 1000;
const MOST = 3;
const notices = [];

/**
 * Show a sentence for a while; kind "bad" and "work" stay. action: {label, run}. onGone is run when it
 * goes without its action. Returns {say, dismiss}.
 */
export function notice(text, { kind = "", action = null, onGone = null } = {}) {
  const entry = { text, kind, action, onGone };
  notices.push(entry);
  if (notices.length > MOST) dismiss(notices[0]);
  if (kind === "") setTimeout(expire, SHOWN_MS, entry);
  redraw();
  const say = (more) => {
    entry.text = more;
    redraw();
  };
  return { say, dismiss: () => dismiss(entry) };
}

/** Not while somebody is at it. */
function expire(entry) {
  if (document.querySelector("#notices").matches(":hover, :focus-within")) setTimeout(expire, AGAIN_MS, entry);
  else dismiss(entry);
}

function dismiss(entry) {
  if (!notices.includes(entry)) return;
  notices.splice(notices.indexOf(entry), 1);
  entry.onGone?.();
  redraw();
}

function act(entry) {
  entry.onGone = null;
  dismiss(entry);
  entry.action.run();
}

const one = (entry) => html`<div class="notice ${entry.kind}"><span>${entry.text}</span>
  ${entry.action ? html`<button @click=${() => act(entry)}>${entry.action.label}</button>` : nothing}
  <button class="plain" aria-label=${texts.notice.dismiss} @click=${() => dismiss(entry)}>✕</button></div>`;

export const noticeArea = () => html`${notices.map(one)}`;

// The usual keys for the way back: the buttons are far from the list.
addEventListener("keydown", (event) => {
  const last = notices.findLast((entry) => entry.action);
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || !last || event.target.matches("input")) return;
  event.preventDefault();
  act(last);
});
