/**
 * Each code of a failure in words: what happened, and what to do.
 * retryHelps is false where a retry alone ends the same way.
 * @type {Object<string, {what: string, todo: string, retryHelps: boolean}>}
 */
export const failures = {
  central_full: {
    what: "Central's disk is full",
    todo: "Make room there. It goes on by itself for 24 h from its upload; later, retry.",
    retryHelps: true,
  },
  central_refused: {
    what: "Central refuses the image",
    todo: "It was deleted there, or is larger than MAX_STORE_MB. Upload it again, or raise the limit and retry.",
    retryHelps: false,
  },
  central_unreachable: {
    what: "Central could not be reached",
    todo: "See whether central-server runs. It goes on by itself for 24 h from its upload; later, retry.",
    retryHelps: true,
  },
  corrupt_image: {
    what: "The image is damaged",
    todo: "Upload it again from the original.",
    retryHelps: false,
  },
  decoder_crashed: {
    what: "Its decoder crashed, twice",
    todo: "Retry once. If it crashes again, save the image anew in another program and upload that.",
    retryHelps: true,
  },
  decoder_killed: {
    what: "Its decoder was killed, ten times",
    todo: "The machine had too little memory, or somebody ended it. Give it more, or run fewer workers, then retry.",
    retryHelps: true,
  },
  internal_error: {
    what: "Something unforeseen went wrong",
    todo: "The worker's console says more. Retry; if it fails again, report what the console says.",
    retryHelps: true,
  },
  logo_unavailable: {
    what: "There is no logo to put on it",
    todo: "See whether GOOGLE_LOGO is right. It goes on by itself for 24 h from its upload; later, retry.",
    retryHelps: true,
  },
  memory_limit: {
    what: "It needs more memory than is allowed",
    todo: "Scale it down and upload that, or raise WATERMARK_MEMORY_MB and retry.",
    retryHelps: false,
  },
  not_encodable: {
    what: "The result cannot be written in this format",
    todo: "Convert it to JPEG or PNG and upload that.",
    retryHelps: false,
  },
  original_missing: {
    what: "The uploaded file is not there any more",
    todo: "Somebody removed it. Upload it again.",
    retryHelps: false,
  },
  record_damaged: {
    what: "The record of its upload is damaged",
    todo: "Upload it again.",
    retryHelps: false,
  },
  record_lost: {
    what: "Its record was lost, as in a power cut",
    todo: "Look in central's log whether it was stored. A retry stores it, perhaps a second time.",
    retryHelps: true,
  },
  time_limit: {
    what: "It took too long, twice",
    todo: "Retry when the machine is less busy, scale it down, or raise WATERMARK_TIMEOUT_SECONDS.",
    retryHelps: true,
  },
  too_many_pages: {
    what: "It has too many pages",
    todo: "Split it and upload the parts.",
    retryHelps: false,
  },
  too_many_pixels: {
    what: "It has too many pixels",
    todo: "Scale it down and upload that, or raise MAX_MEGAPIXELS or MAX_TOTAL_MEGAPIXELS and retry.",
    retryHelps: false,
  },
  too_many_scans: {
    what: "It is stored in too many scans",
    todo: "Save it anew as a plain JPEG and upload that.",
    retryHelps: false,
  },
  too_much_text: {
    what: "A text or colour profile in it is far too large",
    todo: "Save it anew without its metadata and upload that.",
    retryHelps: false,
  },
  unreadable_image: {
    what: "No decoder here reads this kind of image",
    todo: "Convert it to PNG and upload that.",
    retryHelps: false,
  },
  unsupported_mode: {
    what: "Its kind of colours is not supported",
    todo: "Convert it to PNG and upload that.",
    retryHelps: false,
  },
  worker_lost: {
    what: "The worker died at it, ten times",
    todo: "See why workers end, as for want of memory. Then retry.",
    retryHelps: true,
  },
};

/** The words for a code; also for one that a newer worker has. */
export function failure(code) {
  const unknown = { what: code, todo: "Its record says more.", retryHelps: true };
  return Object.hasOwn(failures, code) ? failures[code] : unknown;
}
