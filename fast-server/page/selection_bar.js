// What can be done with the chosen images. It stands at the window's lower edge while there are some.

import { downloadZip, MOST_IN_ZIP, remove, retry } from "./actions.js";
import { count } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { media } from "./media_list.js";
import { selectAll, selection, selectNone } from "./selection.js";
import { texts } from "./texts.js";

const words = texts.selection;

export function selectionBar() {
  const n = selection.size();
  if (!n && !selection.isLoading) return nothing;
  const [done, failed] = [selection.idsOf("done"), selection.idsOf("failed")];
  const ended = [...done, ...failed];
  const isTooMany = done.length > MOST_IN_ZIP;
  return html`<section class="card selection row" aria-label=${words.label}>
    <b>${selection.isLoading ? words.loading(count(media.items.length)) : words.selected(n, count(n))}</b>
    <button class="plain" ?disabled=${selection.isLoading} @click=${selectAll}>${words.all}</button>
    <button class="plain" @click=${selectNone}>${words.none}</button>
    ${isTooMany ? html`<small>${words.tooMany(count(MOST_IN_ZIP))}</small>` : nothing}
    <span class="row push">
      ${failed.length ? html`<button @click=${() => retry(failed)}>${words.retry(count(failed.length))}</button>` : nothing}
      ${ended.length ? html`<button @click=${() => remove(ended)}>${words.remove(count(ended.length))}</button>` : nothing}
      ${done.length ? html`<button class="main" ?disabled=${isTooMany} @click=${() => downloadZip(done)}>${words.zip(count(done.length))}</button>` : nothing}
    </span></section>`;
}
