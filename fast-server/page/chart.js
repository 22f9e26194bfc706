// The last hour as a picture: done and failed as bars, received as a line, minute by minute.

import { count, minute as clockOf } from "./format.js";
import { age_ms } from "./freshness.js";
import { html, nothing, svg } from "./vendor/lit-html.js";
import { axisEnd, figures, isKnown, lastHour, nameOf, SHOWN, sums } from "./minutes.js";
import { redraw } from "./redraw.js";
import { texts } from "./texts.js";

const words = texts.operations.chart;
const HEIGHT = 100;
const LEAST = 1.5; // what is not 0 can be seen
const NAMED_EVERY = 15; // minutes
let picked = null; // the place of a minute: where the pointer is, or the keyboard
let isTable = false;

export function chartCard(stats) {
  const minutes = lastHour(stats, age_ms());
  const toggle = html`<button class="plain push" aria-expanded=${isTable} @click=${toggleTable}>
    ${isTable ? words.noTable : words.asTable}</button>`;
  return html`<section class="card chart" aria-labelledby="chart">
    <div class="row"><h2 id="chart">${words.title}</h2>${minutes.length ? toggle : nothing}</div>
    ${minutes.length ? html`${picture(minutes)}${legend(minutes)}` : html`<p class="quiet">${words.unknown}</p>`}
    ${stats.complete || !minutes.length ? nothing : html`<p class="quiet">${words.partly}</p>`}
    ${isTable && minutes.length ? table(minutes) : nothing}</section>`;
}

function toggleTable() {
  isTable = !isTable;
  redraw();
}

function picture(minutes) {
  const end = axisEnd(minutes);
  return html`<div class="plot">
    <div class="axis-y" aria-hidden="true">${[end, end / 2, 0].map((n) => html`<span>${count(n)}</span>`)}</div>
    <div class="area">
      <svg viewBox="0 0 ${SHOWN} ${HEIGHT}" preserveAspectRatio="none" role="img"
        aria-label=${words.all(figures(sums(minutes)))}>
        ${[0, 50, 100].map((y) => svg`<path class="grid" d="M0 ${y}H${SHOWN}"/>`)}
        ${minutes.map((minute, at) => column(minute, at, end))}
        <path class="received" d=${receivedLine(minutes, end)} /></svg>
      ${picker(minutes)}</div>
    <div class="axis-x" aria-hidden="true">${namedMinutes(minutes)}</div></div>`;
}

const heightOf = (n, end) => (n ? Math.max(LEAST, (HEIGHT * n) / end) : 0);

function column(minute, at, end) {
  const kind = at === picked ? "column picked" : "column";
  const behind = svg`<rect class=${kind} x=${at} width="1" height=${HEIGHT}/>`;
  if (!isKnown(minute)) return svg`${behind}<rect class="gap" x=${at} y="96" width="1" height="4"/>`;
  const [stored, failed] = [heightOf(minute.stored, end), heightOf(minute.failed, end)];
  const bar = (name, top, height) =>
    svg`<rect class=${name} x=${at + 0.14} y=${HEIGHT - top} width="0.72" height=${height}/>`;
  return svg`${behind}${bar("stored", stored, stored)}${bar("failed", stored + failed, failed)}`;
}

/** In steps, with a gap where nobody knows. */
function receivedLine(minutes, end) {
  let isOpen = false;
  return minutes.map((minute, at) => {
    const y = HEIGHT - heightOf(minute.received, end);
    const step = isKnown(minute) ? `${isOpen ? "L" : "M"}${at} ${y}H${at + 1}` : "";
    isOpen = isKnown(minute);
    return step;
  }).join("");
}

const namedMinutes = (minutes) => minutes.filter((_, at) => at % NAMED_EVERY === 0 || at === minutes.length - 1)
  .map(({ minute }) => html`<span>${clockOf(minute)}</span>`);

/** A range over the picture: the arrow keys go from minute to minute, and so does the pointer. */
function picker(minutes) {
  const at = Math.min(picked ?? minutes.length - 1, minutes.length - 1);
  return html`<input type="range" min="0" max=${minutes.length - 1} .value=${String(at)} aria-label=${words.pick}
    aria-valuetext=${words.at(nameOf(minutes, at), figures(minutes[at]))}
    @focus=${() => pick(at)} @blur=${() => pick(null)} @pointerleave=${() => pick(null)}
    @input=${(event) => pick(Number(event.target.value))}
    @pointermove=${(event) => pick(placeOf(event, minutes.length))}>`;
}

function placeOf({ offsetX, target }, length) {
  return Math.min(length - 1, Math.max(0, Math.floor((length * offsetX) / target.clientWidth)));
}

function pick(at) {
  if (at === picked) return;
  picked = at;
  redraw();
}

/** What the shapes mean, with the figures of the picked minute, else of the hour. */
function legend(minutes) {
  const at = picked === null ? null : Math.min(picked, minutes.length - 1);
  const shown = at === null ? sums(minutes) : minutes[at];
  const key = (name) => html`<span class="key"><i class=${name} aria-hidden="true"></i>
    ${shown[name] === null ? "?" : count(shown[name])} ${words[name]}</span>`;
  return html`<p class="row quiet"><b>${at === null ? words.inAll : nameOf(minutes, at)}</b>
    ${["stored", "failed", "received"].map(key)}</p>`;
}

function table(minutes) {
  const row = (minute, at) => html`<tr><th scope="row">${nameOf(minutes, at)}</th>
    ${["received", "stored", "failed"].map((name) => html`<td class="n">${minute[name] === null ? words.notKnown : count(minute[name])}</td>`)}</tr>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${words.asTable}><table>
    <thead><tr><th scope="col">${words.minute}</th>
      ${["received", "stored", "failed"].map((name) => html`<th class="n" scope="col">${words[name]}</th>`)}</tr></thead>
    <tbody>${minutes.map(row).reverse()}</tbody></table></div>`;
}
