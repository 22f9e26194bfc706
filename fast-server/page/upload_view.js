// Where files are dropped, and how far their sending is. It is there while something is not sent.

import { address, follow, linkTo, NO_FILTERS } from "./address.js";
import { isKnown } from "./arrived.js";
import { namesOf } from "./checks.js";
import { figures } from "./entries.js";
import { canChooseFolder, choose } from "./drop_target.js";
import { count, size, span } from "./format.js";
import { interrupted } from "./interrupted.js";
import { Pace } from "./pace.js";
import { refusedCard } from "./refused_view.js";
import { store } from "./store.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";
import { html, nothing } from "./vendor/lit-html.js";

const words = texts.uploads;
const pace = new Pace();

export function dropCard() {
  const limits = store.stats?.limits;
  return html`<section class="card drop" aria-label=${words.drop.label}>
    <p><strong>${words.drop.invitation}</strong><br>
      ${limits ? words.drop.limits(namesOf(limits), size(limits.max_upload_bytes)) : "\u00a0"}
      ${address.batch ? html`<br>${words.drop.adds} <a href=${linkTo(NO_FILTERS)} @click=${(event) => follow(event, NO_FILTERS)}>${words.drop.newBatch}</a>` : nothing}</p>
    <div class="row"><button @click=${() => choose(false)}>${words.drop.files}</button>
      ${canChooseFolder ? html`<button @click=${() => choose(true)}>${words.drop.folder}</button>` : nothing}</div>
  </section>`;
}

export function uploadCard() {
  const all = figures();
  return html`${all.open || uploads.isWalking() ? sendingCard(all) : restCard()}${refusedCard()}`;
}

function sendingCard({ open, openBytes, movedBytes, paused, sending }) {
  const { sent, sentBytes } = uploads.run;
  const hold = uploads.hold();
  const isPaused = hold?.by === "user" || (open > 0 && open === paused);
  const [gone, total] = [sentBytes + movedBytes, sentBytes + openBytes];
  return html`<section class="card sending" aria-label=${words.sending.label}>
    <div class="row"><div><h2>${headline(isPaused, hold, sent, open)}</h2>
        <small>${details(gone, total, sending, open)}</small></div>
      <span class="row push"><button class=${isPaused ? "main" : ""} @click=${(event) => once(event, isPaused ? uploads.resume : uploads.pause)}>
          ${isPaused ? words.sending.resume : words.sending.pause}</button>
        <button @click=${uploads.cancelAll}>${words.sending.cancel}</button></span></div>
    ${bar(sentBytes, gone, total)}
    <div role="status">${hold && !isPaused ? holdRow(hold) : nothing}</div></section>`;
}

/** The second click of a double one meant the button that stood there before. */
const once = (event, act) => event.detail < 2 && act();

function headline(isPaused, hold, sent, open) {
  const total = count(sent + open);
  if (open === 0) return words.sending.reading;
  if (isPaused) return words.sending.paused(count(open), total);
  return hold ? words.sending.waiting(count(open), total) : words.sending.sent(count(sent), total);
}

function details(gone, total, sending, open) {
  const left_s = pace.secondsLeft(gone, total - gone);
  return [
    total ? words.sending.bytes(size(gone), size(total)) : "",
    left_s !== null && sending ? words.sending.left(span(Math.ceil(left_s))) : "",
    open && !sending && !isKnown(address.batch) ? words.sending.looking : "",
    open && uploads.isWalking() ? words.sending.alsoReading : "",
    uploads.hold() ? "" : triedAgain(),
    ...aside(),
  ].filter(Boolean).join(" · ");
}

/** Why it seems to stand still, where all that is left was tried before. */
function triedAgain() {
  const left = uploads.entries.filter(({ state }) => state === "queued");
  if (!left.length || left.some(({ tries }) => tries === 0)) return "";
  return words.sending.again(left.length, count(left.length), left[0].why);
}

/** What of the drop was not to be sent. */
function aside() {
  const { skipped, leftOut } = uploads.run;
  return [
    skipped ? words.run.skipped(skipped, count(skipped)) : "",
    leftOut ? words.run.leftOut(leftOut, count(leftOut)) : "",
  ].filter(Boolean);
}

function bar(sent, gone, total) {
  const part = (kind, bytes) => (bytes > 0
    ? html`<i class=${kind} .style=${`width: ${(100 * bytes) / total}%`}></i>` : nothing);
  const said = words.sending.bytes(size(gone), size(total));
  return html`<div class="bar" role="img" aria-label=${said}>${part("good", sent)}${part("work", gone - sent)}</div>`;
}

/** Why all waits. The seconds are not read out. */
function holdRow({ by, reason, until_ms }) {
  const seconds = Math.max(0, Math.ceil((until_ms - Date.now()) / 1000));
  const next = by === "offline" ? "" : seconds ? words.holds.next(span(seconds)) : words.holds.now;
  return html`<div class="row hold"><span>${reason}</span> <span class="quiet" aria-hidden="true">${next}</span>
    <button class="push" @click=${uploads.lookNow}>${words.holds.tryNow}</button></div>`;
}

/** What is to be said while nothing is sent: of the last drop, or of one that was interrupted. */
function restCard() {
  const missing = interrupted();
  if (missing) {
    const { arrived, expected } = missing;
    return saying(words.interrupted(arrived, count(arrived), count(expected)), missing.forget);
  }
  const said = uploads.run.isEmpty ? [words.run.empty, ...aside()] : aside();
  if (!said.length) return nothing;
  const { sent } = uploads.run;
  return saying([...(sent ? [words.run.sent(sent, count(sent))] : []), ...said].join(" "), uploads.dismissRun);
}

const saying = (text, dismiss) => html`<section class="card row said" aria-label=${words.sending.label}>
  <p role="status">${text}</p>
  <button class="plain push" aria-label=${texts.notice.dismiss} @click=${dismiss}>✕</button></section>`;
