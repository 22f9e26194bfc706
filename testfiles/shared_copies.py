"""make shared: of what the services share, the others get what they import, as it is."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ORIGINALS = ROOT / "fast-server" / "shared"
COPYING = ("worker-server", "central-server")


def needed(service: str) -> set[Path]:
    """The files of shared/ that this service imports, and those that they import in turn."""
    own = [p for p in (ROOT / service).rglob("*.py") if "shared" not in p.parts]
    missing = {file for path in own for file in imported(path)}
    found: set[Path] = set()
    while missing:
        found |= missing
        missing = {file for m in missing for file in imported(ORIGINALS / m)} - found
    return found | {folder / "__init__.py" for file in found for folder in file.parents}


def copies(service: str) -> set[Path]:
    """The files that it has in its shared/."""
    folder = ROOT / service / "shared"
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder) for path in files if path.parent.name != "__pycache__"}


def imported(path: Path) -> Iterator[Path]:
    """The modules of shared/ that this file imports, and the Lua scripts that it names."""
    if path.suffix == ".lua":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and str(node.value).endswith(".lua"):
            script = path.with_name(str(node.value))
            yield from [script.relative_to(ORIGINALS)] if script.is_relative_to(ORIGINALS) else []
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
        else:
            continue
        for name in names:
            top, *inside = name.split(".")
            file = Path(*inside).with_suffix(".py") if inside else Path()
            if top == "shared" and (ORIGINALS / file).is_file():
                yield file


def main() -> None:
    for service in COPYING:
        folder, files = ROOT / service / "shared", needed(service)
        for copy in copies(service) - files:
            folder.joinpath(copy).unlink()
        for file in files:
            folder.joinpath(file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ORIGINALS / file, folder / file)


if __name__ == "__main__":
    main()
