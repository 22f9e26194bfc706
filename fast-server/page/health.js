// The header's right side: whether all is well, on every view.

import { count } from "./format.js";
import { html } from "./vendor/lit-html.js";
import { store } from "./store.js";
import { texts } from "./texts.js";

export function health() {
  const [kind, words] = state();
  return html`<i class="dot ${kind}" aria-hidden="true"></i><span>${words}</span>`;
}

function state() {
  const { stats, connection } = store;
  if (connection === "lost") return ["bad", texts.health.lost];
  if (stats === null) return ["idle", texts.health.opening];
  if (connection === "degraded" || stats.redis?.answers === false) return ["warn", texts.health.noRedis];
  if (stats.central?.answers === false) return ["warn", texts.health.noCentral];
  if (stats.disk?.enough === false) return ["warn", texts.health.diskFull];
  if (stats.paused) return ["warn", texts.health.paused];
  if (!stats.workers?.length) return ["warn", texts.health.noWorkers];
  if (stats.workers.some((worker) => worker.unhealthy)) return ["warn", texts.health.unhealthy];
  if (!stats.healthy) return ["warn", texts.health.trouble];
  const rate = stats.workers.reduce((sum, worker) => sum + worker.stored_last_minute, 0);
  return ["good", texts.health.good(stats.workers.length, count(stats.workers.length), rate, count(rate))];
}
