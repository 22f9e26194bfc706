// The view Operations: what is wrong and since when, what failed, and who works on what.

import { chartCard } from "./chart.js";
import { failedCard } from "./failed.js";
import { oldSince_ms } from "./freshness.js";
import { html, nothing } from "./vendor/lit-html.js";
import { logCard } from "./log.js";
import { pauseRow } from "./pausing.js";
import { store } from "./store.js";
import { summaryCard } from "./summary.js";
import { tiles } from "./tiles.js";
import { workersCard } from "./workers.js";

export const operations = () => html`${summaryCard()}${store.stats ? figures(store.stats) : nothing}`;

/** Old figures look old: the first card says how old. */
const figures = (stats) => html`<div class="figures ${oldSince_ms() === null ? "" : "old"}">
  ${tiles(stats)}${chartCard(stats)}
  <div class="two">${failedCard(stats)}${workersCard(stats)}</div>
  ${logCard()}${pauseRow()}</div>`;
