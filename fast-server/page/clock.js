// What time it is at the server: this computer's clock may be wrong, and how long something takes is told
// by times of the server's.

const RIGHT_MS = 5000; // a Date header has whole seconds, and was on its way
let behind_ms = 0;

/** Learn from an answer's Date header (RFC 9110, 6.6.1). */
export function learn(date) {
  const off_ms = Date.parse(date) - Date.now();
  if (Number.isFinite(off_ms)) behind_ms = Math.abs(off_ms) > RIGHT_MS ? off_ms : 0;
}

export const serverNow_ms = () => Date.now() + behind_ms;
