// One image: before and after, what has happened to it, and what can be done with it.

import { address, follow as followLink, go, linkTo, NO_FILTERS } from "./address.js";
import { remove, retry } from "./actions.js";
import { ask, url } from "./api.js";
import { compare } from "./compare.js";
import { copy } from "./copy.js";
import { count, size } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { afterDrawing, narrow, redraw } from "./redraw.js";
import { state } from "./row.js";
import { focusRow } from "./rows.js";
import { texts } from "./texts.js";
import { timeline } from "./timeline.js";

const words = texts.detail;
const AGAIN_MS = 4000;
const SOON_MS = 300;
let shown = { id: "", record: null, error: null };
let timer = 0;
let listAt_px = 0; // how far the list is scrolled, while the details are in its place

/** Ask for the record of the media that the address names, unless it is there. */
export function follow() {
  const { id: before } = shown;
  if (address.media === before) return;
  shown = { id: address.media, record: null, error: null };
  load();
  if (narrow.matches) changePlaces(before);
}

function changePlaces(before) {
  if (!before) listAt_px = scrollY;
  afterDrawing(() => {
    scrollTo(0, shown.id ? 0 : listAt_px);
    if (shown.id) document.querySelector(".detail .close")?.focus();
    else focusRow(before, { preventScroll: true });
  });
}

/** An event tells of some media. */
export function changed(items) {
  if (items.some((item) => item.media_id === shown.id)) later(SOON_MS);
}

function later(wait_ms) {
  clearTimeout(timer);
  timer = setTimeout(load, wait_ms);
}

async function load() {
  clearTimeout(timer);
  const { id } = shown;
  if (!id) return;
  try {
    const record = await ask("GET", `media/${id}`);
    if (id !== shown.id) return;
    Object.assign(shown, { record, error: null });
    if (!["stored", "failed"].includes(record.status)) later(AGAIN_MS);
  } catch (error) {
    if (id !== shown.id) return;
    shown.error = error;
    if (error.status !== 404) later(AGAIN_MS);
  }
  redraw();
}

export function detail() {
  if (!address.media) return nothing;
  const { record, error } = shown;
  return html`<section class="card detail" aria-label=${words.label} @keydown=${(e) => e.key === "Escape" && close()}>
    <div class="row top">${heading(record ? record.filename || texts.list.noName : error?.status === 404 ? words.gone : words.loading)}
      ${record ? state(asItem(record)) : nothing}
      <button class="plain push close" aria-label=${words.close} title=${words.close} @click=${close}>✕</button></div>
    ${error ? html`<p>${error.status === 404 ? words.notThere : words.error(error.message)}</p>` : nothing}
    ${record ? whole(record) : nothing}</section>`;
}

/** On a narrow screen it is the page's only heading. */
const heading = (name) => (narrow.matches ? html`<h1><bdi>${name}</bdi></h1>` : html`<h2><bdi>${name}</bdi></h2>`);

export function close() {
  const id = address.media;
  go({ media: "" });
  focusRow(id);
}

const asItem = (record) => ({
  state: { stored: "done", failed: "failed" }[record.status] ?? "pending", status: record.status,
});

function whole(record) {
  return html`${compare(record)}${record.error ? failure(record) : nothing}${buttons(record)}
    ${timeline(record)}${facts(record)}`;
}

function failure({ media_id: id, error }) {
  const { todo = "", retryHelps = true } = texts.failures[error.code] ?? {};
  return html`<div class="failure"><p><b>${error.detail}</b></p><p class="quiet">${todo}</p>
    <button class=${retryHelps ? "main" : ""} @click=${() => retry([id])}>${words.retry}</button></div>`;
}

function buttons({ media_id: id, status }) {
  const image = url(`media/${id}/image`);
  const isEnded = ["stored", "failed"].includes(status);
  return html`<div class="row buttons">
    ${status === "stored" ? html`<a class="button main" href="${image}?download=1" download>${words.download}</a>
      <button @click=${() => copy(image, words.linkCopied)}>${words.copyLink}</button>
      <button @click=${() => copy(curlOf(image), words.curlCopied)}>${words.copyCurl}</button>` : nothing}
    <a class="button" href=${url(`media/${id}/original?download=1`)} download>${words.original}</a>
    ${isEnded ? html`<button class="plain push" @click=${() => { close(); remove([id]); }}>${words.remove}</button>` : nothing}
  </div>`;
}

const curlOf = (image) => `curl -OJ '${image}?download=1'`;

function facts(record) {
  const { stored, watermarked, width, height } = record;
  const rows = [
    [words.storedAs, stored?.name],
    [words.size, record.size === null ? "" : words.sizes(size(record.size), stored ? size(stored.size) : "")],
    [words.pixels, width && height ? `${count(width)} × ${count(height)}` : ""],
    [words.ref, record.ref],
    [words.sha256, stored?.sha256 ?? record.sha256],
    [words.id, record.media_id],
    [words.batch, record.batch && batchLink(record.batch)],
  ];
  const notes = watermarked?.notes ?? [];
  return html`<dl>${rows.filter(([, value]) => value).map(fact)}
    ${notes.length ? html`<dt>${words.notes}</dt><dd>${notes.map((note) => html`<p>${note}</p>`)}</dd>` : nothing}</dl>`;
}

function batchLink(batch) {
  const shown = { ...NO_FILTERS, batch, media: address.media };
  return html`<a href=${linkTo(shown)} @click=${(event) => followLink(event, shown)}>${words.showBatch}</a>`;
}

const fact = ([name, value]) => html`<dt>${name}</dt><dd><bdi>${value}</bdi></dd>`;
