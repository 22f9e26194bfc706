// One row of the list: a media, or a file that is still in this browser.

import { follow, linkTo } from "./address.js";
import { moment, size } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";
import { ofFile, picture } from "./pictures.js";
import { selection } from "./selection.js";
import { texts } from "./texts.js";
import { uploadActions, uploadState } from "./upload_cells.js";

const SIGNS = { done: "✓", failed: "✕", queued: "○", watermarked: "◔", watermarking: "◐", uploading: "◕" };
const KINDS = { done: "good", failed: "bad", watermarking: "work", watermarked: "work", uploading: "work" };

/** The state as a sign and a word: no one needs to see its colour. */
export function state(item) {
  const key = item.state === "pending" ? item.status : item.state;
  return html`<span class="state ${KINDS[key] ?? ""}"><span aria-hidden="true">${SIGNS[key] ?? "○"}</span>
    ${texts.states[item.status] ?? item.status}</span>`;
}

export const isUpload = (row) => row.file !== undefined;
export const keyOf = (row) => (isUpload(row) ? row.key : row.media_id);

export function cells(row) {
  return isUpload(row) ? uploadCells(row) : mediaCells(row);
}

function mediaCells(item) {
  const { media_id: id } = item;
  const name = item.filename || texts.list.noName;
  const why = item.state === "failed" ? texts.failures[item.code]?.what ?? item.code : "";
  return html`
    <span role="gridcell" class="choice"><input type="checkbox" tabindex="-1" aria-label=${texts.list.select(name)}
      .checked=${selection.has(id)}></span>
    <span role="gridcell" class="what">${thumb(picture(item))}
      <span class="name"><a href=${linkTo({ media: id })} tabindex="-1" title=${name}
        @click=${(event) => follow(event, { media: id })}><bdi>${name}</bdi></a>${under(folderOf(item), why)}</span></span>
    <span role="gridcell">${state(item)}</span>
    <small role="gridcell" class="size">${item.size ? size(item.size) : ""}</small>
    <small role="gridcell" class="time">${moment(item.changed_at)}</small>`;
}

function uploadCells(entry) {
  const broken = entry.state === "refused" || entry.state === "unreadable";
  const shown = broken ? null : ofFile(entry.key, entry.file);
  return html`
    <span role="gridcell" class="choice"></span>
    <span role="gridcell" class="what">${thumb(shown)}
      <span class="name"><bdi title=${entry.name}>${entry.name}</bdi>
        ${under(folderOf({ ref: entry.ref, filename: entry.name }), entry.why ?? "")}</span></span>
    <span role="gridcell">${uploadState(entry)}</span>
    <small role="gridcell" class="size">${size(entry.size)}</small>
    <span role="gridcell" class="time">${uploadActions(entry)}</span>`;
}

const thumb = (source) => (source
  ? html`<img class="thumb" src=${source} alt="" decoding="async">`
  : html`<i class="thumb none"></i>`);

const under = (folder, why) => (folder || why
  ? html`<small title=${[folder, why].filter(Boolean).join(" · ")}>${folder ? html`<bdi>${folder}</bdi>` : nothing}
    ${folder && why ? " · " : ""}${why ? html`<span class="why">${why}</span>` : nothing}</small>`
  : nothing);

/** The folders of a ref that is a path; a ref of another kind as it is. */
function folderOf({ ref, filename }) {
  if (!ref || ref === filename) return "";
  return ref.includes("/") ? ref.slice(0, ref.lastIndexOf("/")) : ref;
}
