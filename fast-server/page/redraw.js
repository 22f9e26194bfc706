// One drawing for any number of changes. Views are functions of what the modules hold.

let draw = () => {};
let isAsked = false;
const afterwards = [];

/** Name what draws the page. */
export function drawnBy(view) {
  draw = view;
}

/** Draw in the next frame. A hidden tab has no frames: its title still tells how far it is. */
export function redraw() {
  if (isAsked) return;
  isAsked = true;
  if (document.hidden) setTimeout(drawNow, 1000);
  else requestAnimationFrame(drawNow);
}

/** Where there is no room for two columns. */
export const narrow = matchMedia("(max-width: 900px)");
narrow.addEventListener("change", redraw);

function drawNow() {
  isAsked = false;
  draw();
  for (const act of afterwards.splice(0)) act();
}

/** Draw, and then do something to what is drawn. */
export function afterDrawing(act) {
  afterwards.push(act);
  redraw();
}

// A frame that was asked for before the tab was hidden comes only when it is shown again.
document.addEventListener("visibilitychange", () => {
  isAsked = false;
  redraw();
});
