"""All modules of the page as one script: a browser asks once, and not for one behind the other.

Each becomes a function that runs after those it imports, and returns what it exports. Sent one by
one, sixty modules would be twice as many bytes: each compressed alone, and with its own headers.
No line of a text may begin with //: it would be taken for a comment.
"""

import re
from pathlib import Path

_NAMES = r"\{\s*(?P<names>[^}]*?),?\s*\}"
_FROM = re.compile(
    rf'^(?P<verb>import|export) (?:{_NAMES}|\* as (?P<whole>\w+)) from "\./(?P<file>[\w/.-]+)";$',
    re.M,
)
_EXPORT = re.compile(r"^export (?=(?:const|class|(?:async )?function\*?) (?P<name>\w+))", re.M)
_LIST = re.compile(rf"\bexport{_NAMES};\s*\Z")  # as minifiers write it
_COMMENT = re.compile(r"^ *(?://[^\n]*|/\*\* (?:(?!\*/).)*\*/)$", re.M | re.S)  # no licence
_OTHER = re.compile(r"^(?:import|export)\b.*|.*\bimport\(.*", re.M)


class LinkError(Exception):
    """The modules are written in a way that this file does not understand."""


def linked(folder: Path, entry: str) -> str:
    """The module entry behind all that it needs, in the order of a browser."""
    parts: dict[str, str] = {}
    _add(folder, entry, parts, ())
    return "".join(parts.values())


def _add(folder: Path, name: str, parts: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise LinkError(f"modules import each other in a circle: {' '.join([*above, name])}")
    if name not in parts:
        text = _COMMENT.sub(_empty_lines, (folder / name).read_text(encoding="utf-8"))
        for found in _FROM.finditer(text):
            _add(folder, found["file"], parts, (*above, name))
        parts[name] = _as_function(name, text)


def _empty_lines(found: re.Match[str]) -> str:
    """As many as there were: what comes behind them keeps its line in its module."""
    return "\n" * found[0].count("\n")


def _as_function(name: str, text: str) -> str:
    exports: list[str] = []

    def bind(found: re.Match[str]) -> str:
        if found["verb"] == "export":
            exports.extend(outside for _, outside in _pairs(found["names"]))
        inside = found["whole"] or _object(found["names"])
        return f"const {inside} = {_variable(found['file'])};{_empty_lines(found)}"

    def export(found: re.Match[str]) -> str:
        exports.append(found["name"])
        return ""

    def export_all(found: re.Match[str]) -> str:
        exports.extend(f"{outside}: {inside}" for inside, outside in _pairs(found["names"]))
        return ""

    text = _LIST.sub(export_all, _EXPORT.sub(export, _FROM.sub(bind, text)))
    if other := _OTHER.search(text):
        raise LinkError(f"{name}: {other[0]}")
    variable, names = _variable(name), ", ".join(exports)
    return f"const {variable} = (() => {{ // {name}\n{text}\nreturn {{ {names} }};\n}})();\n"


def _pairs(names: str) -> list[tuple[str, str]]:
    """Of "a, b as c" each name, and what it is called outside."""
    pairs = [name.strip().partition(" as ") for name in names.split(",")]
    return [(name, other or name) for name, _, other in pairs]


def _object(names: str) -> str:
    return "{ " + ", ".join(f"{name}: {other}" for name, other in _pairs(names)) + " }"


def _variable(file: str) -> str:
    return "$" + re.sub(r"\W", "_", file.removesuffix(".js"))
