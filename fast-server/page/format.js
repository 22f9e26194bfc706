// Numbers, sizes and times in words, as the reader's language has them.

const language = navigator.languages?.length ? [...navigator.languages] : undefined;
const numbers = new Intl.NumberFormat(language);
const percents = new Intl.NumberFormat(language, { style: "percent" });
const clocks = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const minutes = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const moments = new Intl.DateTimeFormat(language, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});
const days = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

export const count = (n) => numbers.format(n);
export const percent = (part) => percents.format(part);

const ofUnits = new Map(); // making a formatter takes longer than all else in drawing a row

function inUnit(amount, unit, digits) {
  const key = unit + digits;
  if (!ofUnits.has(key)) {
    const unitDisplay = unit === "byte" ? "long" : "short"; // "506 bytes"; short would be "506 byte"
    ofUnits.set(key, new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay, maximumFractionDigits: digits }));
  }
  return ofUnits.get(key).format(amount);
}

/** "2.9 MB". An MB has 1024 x 1024 bytes, as in MAX_UPLOAD_MB. */
export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return inUnit(bytes, units[unit], bytes < 10 && unit > 0 ? 1 : 0);
}

/** "12:04:31", here. */
export const clock = (iso) => clocks.format(new Date(iso));

/** "12:04", here. */
export const minute = (iso) => minutes.format(new Date(iso));

/** "12:04:31" of today, "28 Nov, 12:04" of another day. */
export function moment(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? clocks : moments).format(date);
}

/** "28 Nov 2026, 12:04". */
export const day = (iso) => days.format(new Date(iso));

/** "31 ms", "4.2 sec", "19 min", "3 hr". */
export function span(seconds) {
  const [amount, unit] = seconds < 0.9995 ? [seconds * 1000, "millisecond"]
    : seconds < 90 ? [seconds, "second"]
      : seconds < 90 * 60 ? [seconds / 60, "minute"]
        : seconds < 36 * 3600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
  return inUnit(amount, unit, amount < 10 && (unit === "second" || unit === "hour") ? 1 : 0);
}
