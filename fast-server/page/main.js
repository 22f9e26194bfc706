// The page: its header, and one of its two views.

import { address, follow, linkTo, onChange } from "./address.js";
import { announce } from "./announce.js";
import { follow as followDetail } from "./detail.js";
import { FILTERS } from "./filters.js";
import { health } from "./health.js";
import { images } from "./images.js";
import { drawList } from "./list.js";
import { media } from "./media_list.js";
import { noticeArea } from "./notices.js";
import { operations } from "./operations.js";
import { keepFile } from "./pictures.js";
import { drawnBy, redraw } from "./redraw.js";
import { selectNone } from "./selection.js";
import { forgetBatch, taken } from "./store.js";
import * as stream from "./stream.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";
import { html, render } from "./vendor/lit-html.js";

const VIEWS = ["images", "operations"];

const link = (view) => html`<a href=${linkTo({ view })} aria-current=${address.view === view ? "page" : "false"}
  @click=${(event) => follow(event, { view })}>${texts.views[view]}</a>`;

function draw() {
  render(VIEWS.map(link), document.querySelector("nav"));
  render(health(), document.querySelector(".health"));
  render(address.view === "images" ? images() : operations(), document.querySelector("main"));
  drawList();
  render(noticeArea(), document.querySelector("#notices"));
  announce();
}

onChange((before) => {
  followDetail();
  const isOther = (name) => before[name] !== address[name];
  if (FILTERS.some(isOther)) selectNone();
  if (isOther("batch")) {
    forgetBatch();
    stream.restart(); // it reads the list, too
  } else if (FILTERS.some(isOther)) {
    media.reload();
  }
  if (isOther("view")) scrollTo(0, 0);
});

uploads.onAccepted((entry, { media_id: id }) => {
  keepFile(id, entry.file);
  taken(entry.batch);
});

document.querySelector("main").replaceChildren(); // what browsers without JavaScript have
followDetail();
drawnBy(draw);
redraw();
stream.open();
