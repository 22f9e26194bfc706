// What can be done with media: try again, delete with a way back, fetch as a ZIP.

import { address } from "./address.js";
import { ask, url } from "./api.js";
import { count } from "./format.js";
import { media } from "./media_list.js";
import { notice } from "./notices.js";
import { batchChanged } from "./store.js";
import { unselect } from "./selection.js";
import { texts } from "./texts.js";

const AT_ONCE = 2;
const FEW = 20;
const undoable = new Set(); // lists of media_ids
export const MOST_IN_ZIP = 5000; // POST /archive takes no more

/** Try again all that failed, with one code or with any, in the batch that is shown or in all. */
export async function retryAll(code = "", batch = address.batch) {
  const query = new URLSearchParams({ ...(code && { code }), ...(batch && { batch }) });
  try {
    const { retried, skipped } = await ask("POST", `media/retry?${query}`);
    const sentence = texts.retrial.retried(retried, count(retried));
    notice(skipped ? `${sentence}; ${texts.retrial.skipped(count(skipped))}` : sentence);
  } catch (error) {
    notice(texts.retrial.refused(error.message), { kind: "bad" });
  }
  batchChanged();
}

/** Try these again, those of them that have failed. */
export async function retry(ids) {
  const failed = await forEach(ids, (id) => ask("POST", `media/${id}/retry`), texts.retrial.progress);
  const done = ids.length - failed.length;
  if (done) notice(texts.retrial.retried(done, count(done)));
  if (failed.length) notice(texts.retrial.refused(failed[0].error.message), { kind: "bad" });
}

/** Delete these, after a while in which it can be undone. */
export function remove(ids) {
  media.hide(ids);
  ids.forEach(unselect);
  undoable.add(ids);
  const run = () => undoable.delete(ids) && media.unhide(ids);
  const onGone = () => undoable.delete(ids) && removeNow(ids);
  notice(texts.removal.removed(ids.length, count(ids.length)), { action: { label: texts.removal.undo, run }, onGone });
}

async function removeNow(ids) {
  const failed = await forEach(ids, (id) => ask("DELETE", `media/${id}`).catch(ignoreGone), texts.removal.progress);
  if (failed.length) {
    media.unhide(failed.map(({ id }) => id));
    const n = failed.length;
    notice(texts.removal.refused(n, count(n), failed[0].error.message), { kind: "bad" });
  }
  batchChanged();
}

// Whoever closes the page has not undone it.
addEventListener("pagehide", () => {
  for (const id of [...undoable].flat()) fetch(url(`media/${id}`), { method: "DELETE", keepalive: true });
  undoable.clear();
});

function ignoreGone(error) {
  if (error.status !== 404) throw error;
}

/** Some at a time, so that the browser's connections are left to others. Many are told as they go. */
async function forEach(ids, act, progress) {
  const failed = [];
  const rest = [...ids];
  const told = () => progress(count(ids.length - rest.length), count(ids.length));
  const telling = ids.length > FEW ? notice(told(), { kind: "work" }) : null;
  async function work() {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      try {
        await act(id);
      } catch (error) {
        failed.push({ id, error });
      }
      telling?.say(told());
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  telling?.dismiss();
  return failed;
}

/** These in one ZIP. In a tab of its own: a refusal must not replace this page and its uploads. */
export function downloadZip(ids) {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: url("archive"), target: "_blank", hidden: true });
  for (const id of ids) {
    const field = document.createElement("input");
    Object.assign(field, { name: "media_id", value: id });
    form.append(field);
  }
  document.body.append(form);
  form.submit();
  form.remove();
}
