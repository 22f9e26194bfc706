// What is told outside of the picture: the tab's title and icon, and the screen reader's voice.

import { address } from "./address.js";
import { count } from "./format.js";
import { overall } from "./progress.js";
import { alarm } from "./summary.js";
import { texts } from "./texts.js";

const EVERY_MS = 5000;
let spokenAt_ms = 0;
let spoken = "";
let timer = 0;
let iconPart = null;

export function announce() {
  const { total, ended, sentence, isKnown, isUnderWay } = overall();
  document.title = isUnderWay ? texts.titleUnderWay(count(ended), count(total))
    : address.batch && total ? texts.titleOf(sentence) : texts.title;
  drawIcon(isUnderWay ? Math.round((20 * ended) / total) / 20 : null);
  speak(address.view === "images" ? isKnown && sentence : alarm());
}

/** A ring that fills, in 20 steps. */
function drawIcon(part) {
  if (part === iconPart) return;
  iconPart = part;
  const link = document.querySelector("link[rel=icon]");
  link.dataset.still ??= link.href;
  if (part === null) {
    link.href = link.dataset.still;
    return;
  }
  const around = 2 * Math.PI * 12;
  const circle = (color, length) => `<circle cx="16" cy="16" r="12" fill="none" stroke="${color}"
    stroke-width="6" stroke-dasharray="${length} ${around}" transform="rotate(-90 16 16)"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
    ${circle("#9aa7b5", around)}${circle("#0b6b8a", part * around)}</svg>`;
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

/** At most every 5 s, and never the same twice. */
function speak(sentence) {
  const wait_ms = spokenAt_ms + EVERY_MS - Date.now();
  if (sentence === spoken || !sentence) return;
  if (wait_ms > 0) {
    timer ||= setTimeout(() => {
      timer = 0;
      announce();
    }, wait_ms);
    return;
  }
  spoken = sentence;
  spokenAt_ms = Date.now();
  document.querySelector("#said").textContent = sentence;
}
