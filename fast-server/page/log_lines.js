// The log's last lines, as they stand in the document. They come one by one and stay as they are,
// so that what somebody has selected or scrolled to stays, too.

const MOST = 1000;
const AT_END_PX = 8;
let lines = [];
let filter = "";

/** The element: made once, placed by the view. isAtEnd: the reader is, and follows what comes. */
export const log = { element: makeElement(), isAtEnd: true, most: MOST, set, add, show, stay, toEnd };

function makeElement() {
  const pre = document.createElement("pre");
  pre.dir = "ltr"; // whatever scripts its names are in
  pre.tabIndex = 0;
  pre.setAttribute("role", "log");
  pre.setAttribute("aria-live", "off"); // far too much to be read out
  pre.addEventListener("scroll", () => {
    log.isAtEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < AT_END_PX;
  });
  return pre;
}

/** How many there are, and how many of them are shown. */
export const counts = () => ({ all: lines.length, shown: log.element.childElementCount });

/** Begin anew with these. */
function set(some) {
  lines = some.slice(-MOST);
  show(filter);
}

/** Add these, and drop the oldest beyond MOST. */
function add(some) {
  const dropped = lines.length + some.length - MOST;
  for (const line of lines.slice(0, Math.max(0, dropped))) if (matches(line)) log.element.firstChild.remove();
  const kept = some.slice(-MOST);
  lines = [...lines, ...kept].slice(-MOST);
  log.element.append(...kept.filter(matches).map(elementOf));
  stay();
}

/** Show only those with this text. */
function show(text) {
  filter = text.toLowerCase();
  const { scrollTop } = log.element;
  log.element.replaceChildren(...lines.filter(matches).map(elementOf));
  log.element.scrollTop = scrollTop;
  stay();
}

/** Stay at the end, if the reader is there. */
function stay() {
  if (log.isAtEnd) toEnd();
}

function toEnd() {
  log.element.scrollTop = log.element.scrollHeight;
}

const matches = (line) => line.toLowerCase().includes(filter);

function elementOf(line) {
  const element = document.createElement("div");
  element.textContent = line;
  return element;
}
