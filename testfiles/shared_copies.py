"""make shared: of what the services share, the others get what they import, as it is."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ORIGINALS = ROOT / "fast-server" / "shared"
COPYING = ("worker-server", "central-server")


def needed(service: str) -> set[str]:
    """The modules of shared/ that this service imports, and those that they import in turn."""
    code = (ROOT / service).rglob("*.py")
    missing = {name for path in code if path.parent.name != "shared" for name in imported(path)}
    found = {"__init__"}
    while missing:
        found |= missing
        missing = {name for m in missing for name in imported(ORIGINALS / f"{m}.py")} - found
    return found


def imported(path: Path) -> Iterator[str]:
    """The modules of shared/ that this file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "shared":
            names = [f"shared.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("shared."))


def main() -> None:
    for service in COPYING:
        folder = ROOT / service / "shared"
        names = {f"{name}.py" for name in needed(service)}
        for copy in folder.glob("*.py"):
            if copy.name not in names:
                copy.unlink()
        for name in names:
            shutil.copyfile(ORIGINALS / name, folder / name)


if __name__ == "__main__":
    main()
