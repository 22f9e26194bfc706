// What somebody drops, chooses or pastes. Folders are walked until all of them has been read.

const AT_ONCE = 200;
const AT_ONCE_MS = 50;
const OF_SYSTEMS = ["thumbs.db", "desktop.ini"];

/**
 * Yields slices of {file, path}, and of {path} alone for what cannot be read, or with isLeftOut.
 * Call it while the drop is handled: the browser forgets right after what was dropped.
 */
export function ofTransfer({ items }) {
  const dropped = [...items].filter(({ kind }) => kind === "file");
  return slices(walk(dropped.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean)));
}

/** The same, of a picker's. */
export const ofFiles = (files) => slices(walk([...files]));

async function* walk(dropped, folder = "") {
  for (const one of dropped) {
    const path = one.webkitRelativePath || folder + one.name;
    if (path.split("/").some(isOfSystem)) yield { path, isLeftOut: true };
    else if (one instanceof File) yield { path, file: one };
    else if (one.isFile) yield { path, file: await fileOf(one) };
    else yield* inside(one, path);
  }
}

async function* inside(directory, path) {
  const children = await childrenOf(directory);
  if (children) yield* walk(children, `${path}/`);
  else yield { path };
}

const isOfSystem = (name) => name.startsWith(".") || OF_SYSTEMS.includes(name.toLowerCase());

const fileOf = (entry) => new Promise((take) => entry.file(take, () => take(undefined)));

/** By name; null where the folder cannot be read. A browser gives 100 at a time. */
async function childrenOf(directory) {
  const reader = directory.createReader();
  const children = [];
  try {
    for (;;) {
      const some = await new Promise((take, fail) => reader.readEntries(take, fail));
      if (!some.length) return children.sort((a, b) => (a.name < b.name ? -1 : 1));
      children.push(...some);
    }
  } catch {
    return null;
  }
}

/** Some at a time, with a pause in which the page can draw and answer. */
async function* slices(found) {
  let slice = [];
  let until = performance.now() + AT_ONCE_MS;
  for await (const one of found) {
    slice.push(one);
    if (slice.length < AT_ONCE && performance.now() < until) continue;
    yield slice;
    slice = [];
    await new Promise((goOn) => setTimeout(goOn));
    until = performance.now() + AT_ONCE_MS;
  }
  if (slice.length) yield slice;
}
