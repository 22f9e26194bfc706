// Before and after, one over the other: a slider says how much of each is seen.

import { address } from "./address.js";
import { answer, impatient, url } from "./api.js";
import { html, nothing } from "./vendor/lit-html.js";
import { afterDrawing, redraw } from "./redraw.js";
import { texts } from "./texts.js";

const words = texts.compare;
const SHOWABLE = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"];
let shown = { id: "" }; // and of each of both: object URL, or why there is none
let part = 50;
let isFullSize = false;

export function compare(record) {
  if (shown.id !== record.media_id) begin(record.media_id);
  load("original");
  if (record.status === "stored") load("watermarked");
  const { original, watermarked } = shown;
  if (!watermarked?.source) return alone(original);
  const after = isFullSize && showable(record) ? url(`media/${shown.id}/image`) : watermarked.source;
  const before = isFullSize && showable(record) ? url(`media/${shown.id}/original`) : original?.source;
  return html`<div class="compare ${isFullSize ? "full" : ""}" tabindex=${isFullSize ? 0 : -1} role="group" aria-label=${words.label}>
      <div class="pair" @pointerdown=${drag} @pointermove=${drag}><img src=${after} draggable="false" alt=${words.after}>
        ${before ? html`<img class="before" src=${before} draggable="false" alt=${words.before} .style=${`clip-path: inset(0 ${100 - part}% 0 0)`}>
        <i class="edge" .style=${`left: ${part}%`}></i>` : nothing}</div></div>
    <div class="row slider"><label class="quiet">${words.before}
      <input type="range" min="0" max="100" .value=${String(part)} ?disabled=${!before} aria-label=${words.slider}
        aria-valuetext=${words.value(part)} @input=${slide}> ${words.after}</label>
      <button class="plain" aria-pressed=${isFullSize} @click=${toggleSize}>${words.fullSize}</button></div>`;
}

/** Only one of both is there. */
function alone({ source, why }) {
  return html`<div class="compare"><div class="pair">${source
    ? html`<img src=${source} alt=${words.before}>` : html`<p class="quiet">${why ?? words.waiting}</p>`}</div></div>`;
}

const showable = (record) => SHOWABLE.includes(record.content_type)
  && SHOWABLE.includes(record.watermarked?.content_type ?? record.content_type);

function slide(event) {
  part = Number(event.target.value);
  redraw();
}

/** The edge follows a finger or a pressed mouse. */
function drag(event) {
  if (!event.buttons || isFullSize) return;
  const { left, width } = event.currentTarget.getBoundingClientRect();
  part = Math.round(Math.max(0, Math.min(100, (100 * (event.clientX - left)) / width)));
  redraw();
}

/** Real size, beginning where the logo is: at the top right. */
function toggleSize() {
  isFullSize = !isFullSize;
  afterDrawing(() => {
    const pane = document.querySelector(".compare.full");
    if (pane) pane.scrollLeft = pane.scrollWidth;
  });
}

function begin(id) {
  for (const of of ["original", "watermarked"]) if (shown[of]?.source) URL.revokeObjectURL(shown[of].source);
  shown = { id };
  part = 50;
  isFullSize = false;
}

/** Ask for one of both, and again while a worker makes it. */
async function load(of) {
  if (shown[of]) return;
  const one = (shown[of] = { source: null, why: null });
  const { id } = shown;
  while (shown[of] === one && !one.source && !one.why) {
    if (address.media !== id) delete shown[of]; // the details are closed
    else await loadOnce(id, of, one);
  }
  if (shown[of] !== one && one.source) URL.revokeObjectURL(one.source);
  redraw();
}

async function loadOnce(id, of, one) {
  try {
    const preview = await answer("GET", `media/${id}/preview?of=${of}&size=1600`, { signal: impatient() });
    one.source = URL.createObjectURL(await preview.blob());
  } catch (error) {
    if (error.status === 503 || error.status === undefined) await pause(error.retryAfter_s ?? 2);
    else one.why = error.message;
  }
}

const pause = (seconds) => new Promise((goOn) => { setTimeout(goOn, 1000 * seconds); });
