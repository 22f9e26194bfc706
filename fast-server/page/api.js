// Requests to the service, below whatever path prefix it has.

import { learn } from "./clock.js";
import { texts } from "./texts.js";

const LONGEST_MS = 60_000;

/** The service's address: this module lies at <root>page/<version>/api.js. */
const root = new URL("../../", import.meta.url).href;

export const url = (path) => root + path;

/** An answer that is no success. detail is a sentence for people. */
export class Refused extends Error {
  constructor(status, problem, retryAfter_s) {
    super(problem.detail);
    this.status = status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.retryAfter_s = retryAfter_s;
  }
}

/** No answer came: the network, the proxy or the service is gone. */
class Unreachable extends Error {
  constructor() {
    super(texts.api.unreachable);
  }
}

/** What is wrong, out of an answer's body. A proxy's own page is no JSON. */
export function problemOf(status, text) {
  try {
    const { code, detail } = JSON.parse(text);
    if (typeof detail === "string") return { code, detail };
  } catch {
    // said below
  }
  return { code: `http_${status}`, detail: texts.api.noReason(status) };
}

/** A Retry-After header in seconds, or null. It may be a date (RFC 9110, 10.2.3). */
export function retryAfter(header) {
  if (!header) return null;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}

/** The answer as it came. Throws Refused, Unreachable, and AbortError of options.signal. */
export async function answer(method, path, options = {}) {
  let response;
  try {
    response = await fetch(url(path), { method, cache: "no-cache", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  learn(response.headers.get("Date"));
  if (response.ok) return response;
  const problem = problemOf(response.status, await response.text().catch(() => ""));
  throw new Refused(response.status, problem, retryAfter(response.headers.get("Retry-After")));
}

/** On a dead line a browser waits for many minutes. A POST may take long: it changes many media. */
export const impatient = (signal) => AbortSignal.any([AbortSignal.timeout(LONGEST_MS), ...(signal ? [signal] : [])]);

/** The answer's JSON; null for an empty one. */
export async function ask(method, path, options = {}) {
  const signal = method === "POST" ? options.signal : impatient(options.signal);
  const response = await answer(method, path, { ...options, signal });
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(); // it broke off in the middle
  }
}
