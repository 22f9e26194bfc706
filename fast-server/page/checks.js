// What need not be sent to be refused. Where a browser's word is in doubt, the file's bytes decide:
// those the server reads.

import { size } from "./format.js";
import { texts } from "./texts.js";

const words = texts.uploads.refusals;
const ALIASES = ["image/jpg", "image/pjpeg", "image/apng", "image/jpx", "image/jpm"];
const UNKNOWN = ["", "application/octet-stream"];
const OWN_NAMES = "image/x-"; // of browsers and systems: image/x-ms-bmp

/** {code, why}, or null. limits: those of GET /stats, or null while they are not known. */
export function refusalOf(file, limits) {
  if (file.size === 0) return { code: "file_empty", why: words.empty };
  if (!limits) return null;
  if (file.size > limits.max_upload_bytes) {
    const why = words.tooLarge(size(file.size), size(limits.max_upload_bytes));
    return { code: "upload_too_large", why };
  }
  if (mayBeTaken(file.type, limits)) return null;
  return { code: "unsupported_format", why: words.format(file.type, namesOf(limits)) };
}

function mayBeTaken(type, { formats }) {
  return UNKNOWN.includes(type) || ALIASES.includes(type) || type.startsWith(OWN_NAMES)
    || formats.some((format) => format.content_types.includes(type));
}

/** "JPEG, PNG, HEIC". */
export const namesOf = ({ formats }) => formats.map(({ name }) => name).join(", ");

/** Whether it is still the file that was dropped: one that was changed since, or is gone, is not. */
export function isReadable(file) {
  const read = file.slice(0, 1).arrayBuffer().then(() => true, () => false);
  const given_up = new Promise((done) => setTimeout(done, 10_000, true)); // a drive that hangs
  return Promise.race([read, given_up]);
}
