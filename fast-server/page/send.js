// One upload, as one request. XMLHttpRequest: fetch does not tell how far it is.

import { problemOf, retryAfter, url } from "./api.js";

const STILL_MS = 60_000; // without a byte that goes
const ANSWER_MS = 300_000; // all was handed to the network, which may still be at it on a slow line

/**
 * {status, body, problem, retryAfter_s}; status 0: no answer came. body: the answer's JSON, or null.
 * moved is told how many bytes of the file have gone.
 */
export function send(entry, signal, moved) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let timer = 0;
    const waitAtMost = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), ms);
    };
    request.open("POST", url("media"));
    request.setRequestHeader("Idempotency-Key", `"${entry.key}"`);
    request.upload.onprogress = ({ loaded, total }) => {
      waitAtMost(loaded < total ? STILL_MS : ANSWER_MS);
      moved(Math.min(loaded, entry.size));
    };
    request.onloadend = () => {
      clearTimeout(timer);
      resolve(answerOf(request));
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
