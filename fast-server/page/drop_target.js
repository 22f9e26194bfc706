// The ways into the page: files dropped anywhere on it, pasted, or chosen.

import { ofFiles, ofTransfer } from "./dropped.js";
import { texts } from "./texts.js";
import { uploads } from "./uploads.js";

const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files"));

function show(isOver) {
  if (isOver) document.body.dataset.drop = texts.uploads.drop.here;
  else delete document.body.dataset.drop;
}

function onDrag(event) {
  if (!hasFiles(event)) return; // a text, say, for the search field
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  show(true);
}

addEventListener("dragenter", onDrag);
addEventListener("dragover", onDrag);
addEventListener("dragleave", (event) => event.relatedTarget === null && show(false));
addEventListener("drop", (event) => {
  show(false);
  if (!hasFiles(event)) return;
  event.preventDefault();
  uploads.receive(ofTransfer(event.dataTransfer));
});
addEventListener("paste", (event) => {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  uploads.receive(ofTransfer(event.clipboardData));
});

export const canChooseFolder = "webkitdirectory" in HTMLInputElement.prototype;

let picker; // held, else a browser may forget it before somebody has chosen

/** Let somebody choose files, or a folder. */
export function choose(isFolder) {
  picker = Object.assign(document.createElement("input"), { type: "file", multiple: true, webkitdirectory: isFolder });
  picker.onchange = () => uploads.receive(ofFiles(picker.files));
  picker.click();
}
