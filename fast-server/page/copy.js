// To the clipboard, also on plain http by an IP address, where navigator.clipboard does not exist.

import { notice } from "./notices.js";
import { texts } from "./texts.js";

export async function copy(text, said) {
  if (await write(text)) notice(said);
  else notice(texts.copyByHand(text), { kind: "bad" });
}

async function write(text) {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // not allowed: the old way may be
  }
  const field = document.createElement("textarea");
  Object.assign(field, { value: text, readOnly: true, className: "unseen" });
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  before?.focus();
  return isCopied;
}
