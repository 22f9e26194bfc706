// Which images are listed: the filters of GET /media, as the address has them.

import { address } from "./address.js";
import { receivedAt_ms } from "./ulid.js";

const PAGE = 500; // the most that it has at a time
const FIRST_PAGE = 100; // is there sooner on a slow line
export const FILTERS = ["batch", "state", "status", "code", "name", "since", "until", "order"];
/** States of files that are still in this browser: no media has one. */
export const TO_SEND = "to-send";
export const REFUSED = "refused";

export const isLocal = () => [TO_SEND, REFUSED].includes(address.state);

/** The query of GET /media for the page after a media_id. */
export function queryOf(after) {
  const query = new URLSearchParams({ limit: after ? PAGE : FIRST_PAGE });
  for (const name of FILTERS) if (address[name]) query.set(name, address[name]);
  if (after) query.set("after", after);
  return query;
}

/** Whether the list would have an item that an event tells of. */
export function matches(item) {
  const { batch, state, status, code, name, since, until } = address;
  const received = receivedAt_ms(item.media_id);
  return (!batch || item.batch === batch) && (!state || item.state === state)
    && (!status || item.status === status) && (!code || item.code === code)
    && (!name || item.filename.toLowerCase().startsWith(name.toLowerCase()))
    && (!since || received >= Date.parse(since)) && (!until || received < Date.parse(until));
}
