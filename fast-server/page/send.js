// One upload, as one request. XMLHttpRequest: fetch does not tell how far it is.

import { problemOf, retryAfter, url } from "./api.js";

const STILL_MS = 60_000; // without a byte that goes
const SLOW_BYTES_A_MS = 8; // all was handed to the network, which may be at it for so long
const LONGEST_MS = 300_000;

/**
 * {status, body, problem, retryAfter_s}; status 0: no answer came. body: the answer's JSON, or null.
 * isStarved: the browser had no connection for it, as when other tabs use them all.
 * moved is told how many bytes of the file have gone.
 */
export function send(entry, signal, moved) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let timer = 0;
    let hasBegun = false;
    let isStarved = false;
    const giveUp = () => {
      isStarved = !hasBegun;
      request.abort();
    };
    const waitAtMost = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, ms);
    };
    request.open("POST", url("media"));
    request.setRequestHeader("Idempotency-Key", `"${entry.key}"`);
    request.upload.onprogress = ({ loaded, total }) => {
      hasBegun = true;
      waitAtMost(loaded < total ? STILL_MS : Math.min(STILL_MS + total / SLOW_BYTES_A_MS, LONGEST_MS));
      moved(Math.min(loaded, entry.size));
    };
    request.onloadend = () => {
      clearTimeout(timer);
      resolve({ ...answerOf(request), isStarved });
    };
    signal.addEventListener("abort", () => request.abort());
    waitAtMost(STILL_MS);
    request.send(formOf(entry));
  });
}

/** The server reads ref and batch before the file. */
function formOf({ ref, batch, file }) {
  const form = new FormData();
  form.append("ref", ref);
  form.append("batch", batch);
  form.append("file", file);
  return form;
}

function answerOf(request) {
  const { status, responseText } = request;
  const answer = { status, body: null, problem: null, retryAfter_s: null };
  try {
    answer.body = JSON.parse(responseText);
  } catch {
    // a proxy's own page, or half an answer
  }
  if (status >= 400) {
    answer.problem = problemOf(status, responseText);
    answer.retryAfter_s = retryAfter(request.getResponseHeader("Retry-After"));
  }
  return answer;
}
