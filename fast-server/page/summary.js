// The view's first card: what is wrong and since when, in a sentence.

import { minute, moment, span } from "./format.js";
import { age_ms, isBack, oldSince_ms } from "./freshness.js";
import { html, nothing } from "./vendor/lit-html.js";
import { partsList } from "./parts.js";
import { resumeButton } from "./pausing.js";
import { store } from "./store.js";
import { texts } from "./texts.js";

const words = texts.operations.summary;

/** The sentence in two: what is wrong, and the rest. A reason in brackets may have a "; " too. */
function sentences(summary) {
  const [first, ...rest] = summary.split(/; (?![^(]*\))/);
  return [capital(first), rest.length ? `${capital(rest.join("; "))}.` : ""];
}

/** The server's times are UTC, and it names requests that buttons of this page make. */
const forPage = (summary) => summary
  .replace(/(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d) UTC/g, (_, day, time) => (day ? moment(`${day}T${time}Z`) : minute(`${today()}T${time}Z`)))
  .replace(/[;:] (GET|POST) \/[^;]*/g, "");

const today = () => new Date(store.statsAt_ms).toISOString().slice(0, 10);

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** {isAlarm, title, more} */
function told() {
  const { stats, connection } = store;
  if (stats === null) {
    const isGone = connection === "lost";
    return { isAlarm: isGone, title: isGone ? words.gone : words.loading, more: isGone ? words.goneEver : "" };
  }
  const since = oldSince_ms();
  if (since === null) {
    const [title, more] = sentences(forPage(stats.summary));
    return { isAlarm: !stats.healthy, title, more };
  }
  const age = span(age_ms() / 1000);
  if (isBack()) return { isAlarm: false, title: words.asking, more: words.old(age) };
  const time = moment(new Date(since).toISOString());
  return { isAlarm: true, title: words.gone, more: words.goneSince(time, age) };
}

/** For the screen reader's voice: only what is wrong, since the rest changes all the time. */
export function alarm() {
  const { isAlarm, title } = told();
  return isAlarm ? title : "";
}

export function summaryCard() {
  const { isAlarm, title, more } = told();
  const isFresh = store.stats !== null && oldSince_ms() === null;
  return html`<section class="card summary ${isAlarm ? "alarm" : ""}" aria-labelledby="summary">
    <div class="row"><div class="sentence"><h1 id="summary">${title}</h1>${more ? html`<p>${more}</p>` : nothing}</div>
      ${isFresh && store.stats.paused ? html`<span class="push">${resumeButton("main")}</span>` : nothing}</div>
    ${isFresh ? partsList(store.stats) : nothing}</section>`;
}
