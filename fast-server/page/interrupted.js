// An upload that a reload, or a closed tab, has interrupted.

import { address } from "./address.js";
import { figures } from "./entries.js";
import { expectedOf, forget } from "./expected.js";
import { totals } from "./store.js";

/** {arrived, expected, forget} of the batch that is shown; null if nothing of it is missing. */
export function interrupted() {
  const { batch } = address;
  const counted = totals();
  if (!batch || !counted || figures(batch).open) return null;
  const expected = expectedOf(batch);
  const arrived = counted.pending + counted.failed + counted.done;
  if (arrived >= expected) return null;
  return { arrived, expected, forget: () => forget(batch) };
}
