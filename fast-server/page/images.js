// The view of the images: what is sent, how far it is, what failed, and the list.

import { address } from "./address.js";
import { detail } from "./detail.js";
import { filterBar } from "./filter_bar.js";
import { groups } from "./groups.js";
import { list } from "./list.js";
import { html, nothing } from "./vendor/lit-html.js";
import { progressCard } from "./progress.js";
import { narrow } from "./redraw.js";
import { selectionBar } from "./selection_bar.js";
import { store } from "./store.js";
import { texts } from "./texts.js";
import { dropCard, uploadCard } from "./upload_view.js";

/** On a narrow screen the details take the list's place. */
export const images = () => (address.media && narrow.matches ? detail() : all());

const all = () => html`
  ${store.connection === "lost" ? html`<p class="card alarm">${texts.list.stale}</p>` : nothing}
  ${dropCard()}${uploadCard()}${progressCard()}${groups()}${filterBar()}
  <div class="split ${address.media ? "open" : ""}"><div class="rows">${list()}</div>${detail()}</div>
  ${selectionBar()}`;
