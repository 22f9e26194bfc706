// What can be done with a batch: its link, its ZIP, and a new one.

import { address, follow, linkTo, NO_FILTERS } from "./address.js";
import { answer, url } from "./api.js";
import { copy } from "./copy.js";
import { size } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { redraw } from "./redraw.js";
import { store } from "./store.js";
import { texts } from "./texts.js";

const words = texts.progress;
const MOST_IN_ZIP = 10_000; // of a batch
let measured = { of: "", bytes: null };

export function batchButtons({ done, waiting, pending }) {
  if (!address.batch) return nothing;
  const link = new URL(linkTo(NO_FILTERS), location.href).href;
  const own = new URL(linkTo({ ...NO_FILTERS, batch: address.batch }), location.href).href;
  return html`<a class="button" href=${link} @click=${(event) => follow(event, NO_FILTERS)}>${words.allImages}</a>
    <button @click=${() => copy(own, texts.detail.linkCopied)}>${words.copyLink}</button>
    ${done > 0 && done <= MOST_IN_ZIP ? zip(waiting + pending === 0) : nothing}`;
}

function zip(isAllThere) {
  const { batch, done, finished_since: since } = store.batch;
  const path = `batches/${batch}/archive.zip`;
  const version = `${batch} ${done} ${since}`;
  if (isAllThere && measured.of !== version) measure(path, version);
  const bytes = measured.of === version ? measured.bytes : null;
  return html`<a class="button main" href=${url(path)} download>${bytes ? words.zipOf(size(bytes)) : words.zip}</a>`;
}

/** Its exact length, once nothing of it is under way. */
async function measure(path, version) {
  measured = { of: version, bytes: null };
  try {
    const { headers } = await answer("HEAD", path);
    if (measured.of === version) measured.bytes = Number(headers.get("Content-Length"));
    redraw();
  } catch {
    // the button is there without it
  }
}
