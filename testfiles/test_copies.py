"""Services import nothing from each other: what they share is copied, and stays the same."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICES = ("fast-server", "worker-server", "central-server")
OWN = {"main.py", "settings.py", "refusals.py", "openapi.py"}  # one name, each its own content


def copies() -> dict[str, list[Path]]:
    found = defaultdict(list)
    for service in SERVICES:
        for path in (ROOT / service).glob("*.py"):
            found[path.name].append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1 and name not in OWN}


@pytest.mark.parametrize("name", sorted(copies()))
def test_copies_of_a_module_are_byte_identical(name: str) -> None:
    first, *others = copies()[name]
    for other in others:
        assert other.read_bytes() == first.read_bytes(), f"cp {first} {other}, or the reverse"


def test_the_contract_is_among_the_copies_of_all_three_services() -> None:
    assert len(copies()["contract.py"]) == len(SERVICES)


def test_the_contract_needs_the_standard_library_only() -> None:
    import sys

    tree = ast.parse((ROOT / "fast-server" / "contract.py").read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names
