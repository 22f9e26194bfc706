"""All modules of the page as one script: what it does is what the modules do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from local_stack.stack import ROOT
from page.linking import LinkError, linked

FOLDER = ROOT / "fast-server" / "page"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="there is no node here; on Debian: apt install nodejs"
)
MODULES = {
    "main.js": """
// Every way in which the page's modules are written.
import { count, Tally } from "./counting.js";
import * as words from "./words.js";
import {
  again as twice,
  hello,
} from "./passing.js";

/** It has
    two lines. */
const tally = new Tally(); // not this one: "// a"
tally.add(count);
console.log(words.greeting("world"), hello("you"), twice(3), tally.sum, count, words.NAMES.length);
console.log(`
  export const x`, "http://no.comment"); // but this
""",
    "counting.js": """
import { NAMES } from "./words.js";

export class Tally {
  sum = 0;

  add(n) {
    this.sum += n + NAMES.length;
  }
}
export const count = 40;
const own = 1;
console.log("counting", own);
""",
    "words.js": """
export const NAMES = ["a", "b"];
const own = "hello";
export function greeting(name) {
  return `${own} ${name}`;
}
export async function later() {}
console.log("words");
""",
    "passing.js": """
export { greeting as hello } from "./words.js";
export { doubled as again } from "./vendor/small.js";
console.log("passing");
""",
    "vendor/small.js": """/**
 * @license of somebody
 */
const t=i=>i*2;console.log("small");export{t as doubled,t};
//# sourceMappingURL=small.js.map
""",
}


def written(folder: Path, modules: dict[str, str]) -> Path:
    (folder / "vendor").mkdir()
    (folder / "package.json").write_text('{"type": "module"}')
    for name, text in modules.items():
        (folder / name).write_text(text)
    return folder


def said(folder: Path, name: str) -> str:
    run = subprocess.run(["node", name], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout


@needs_node
def test_it_does_what_the_modules_do(tmp_path: Path) -> None:
    folder = written(tmp_path, MODULES)
    apart = said(folder, "main.js")
    assert "hello world hello you 6 42 40 2" in apart
    (folder / "one.js").write_text(linked(folder, "main.js"))
    assert said(folder, "one.js") == apart


def test_comments_are_left_out_but_no_licence(tmp_path: Path) -> None:
    script = linked(written(tmp_path, MODULES), "main.js")
    assert "Every way" not in script
    assert "two lines" not in script
    assert "sourceMappingURL" not in script
    assert "@license of somebody" in script


def test_a_line_keeps_its_number_in_its_module(tmp_path: Path) -> None:
    lines = linked(written(tmp_path, MODULES), "main.js").splitlines()
    [first] = [number for number, line in enumerate(lines) if line.endswith("// main.js")]
    [there] = [number for number, line in enumerate(lines) if "new Tally" in line]
    assert there - first == MODULES["main.js"].splitlines().index(lines[there]) + 1


def test_every_module_of_the_page_is_in_it_once() -> None:
    script = linked(FOLDER, "main.js")
    for path in FOLDER.rglob("*.js"):
        name = path.relative_to(FOLDER).as_posix()
        assert script.count(f" // {name}\n") == 1, f"{name}: nothing imports it"


def test_modules_that_need_each_other_are_named(tmp_path: Path) -> None:
    circle = {
        "main.js": 'import { a } from "./a.js";',
        "a.js": 'import { b } from "./b.js";\nexport const a = 1;',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;',
    }
    with pytest.raises(LinkError, match=r"in a circle: main\.js a\.js b\.js a\.js"):
        linked(written(tmp_path, circle), "main.js")


@pytest.mark.parametrize(
    "line",
    [
        "export default 1;",
        "export let x = 1;",
        "export const { x } = y;",
        'export * from "./words.js";',
        'import words from "./words.js";',
        'import "./words.js";',
        'import { NAMES } from "../words.js";',
        'const { x } = await import("./words.js");',
    ],
)
def test_what_it_does_not_understand_is_named(tmp_path: Path, line: str) -> None:
    folder = written(tmp_path, {**MODULES, "main.js": f"{line}\n"})
    with pytest.raises(LinkError) as error:
        linked(folder, "main.js")
    assert str(error.value) == f"main.js: {line}"
