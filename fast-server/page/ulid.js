// ULIDs: 48 bits of time and 80 of chance, in Crockford's base 32 (github.com/ulid/spec).

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export const isUlid = (text) => ULID.test(text);

/** When its media was received, or its batch was begun. */
export function receivedAt_ms(id) {
  return [...id.slice(0, 10)].reduce((time, digit) => time * 32 + DIGITS.indexOf(digit), 0);
}

export function newUlid() {
  let time = Date.now();
  let text = "";
  for (let i = 0; i < 10; i += 1) {
    text = DIGITS[time % 32] + text;
    time = Math.floor(time / 32);
  }
  const chance = crypto.getRandomValues(new Uint8Array(16));
  return text + Array.from(chance, (byte) => DIGITS[byte % 32]).join("");
}
