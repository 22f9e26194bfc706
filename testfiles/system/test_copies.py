"""What the services share is copied from fast-server/shared, and stays the same."""

import ast
import sys
from pathlib import Path

import pytest

from local_stack.stack import ROOT

ORIGINALS = ROOT / "fast-server" / "shared"
COPIES = sorted(
    copy.relative_to(ROOT)
    for service in ("worker-server", "central-server")
    for copy in (ROOT / service / "shared").rglob("*")
    if copy.is_file() and "__pycache__" not in copy.parts
)


@pytest.mark.parametrize("copy", COPIES, ids=str)
def test_a_copy_is_the_original_byte_for_byte(copy: Path) -> None:
    original = ORIGINALS / copy.name
    assert (ROOT / copy).read_bytes() == original.read_bytes(), "make shared"


def test_all_three_services_have_the_contract() -> None:
    services = {copy.parts[0] for copy in COPIES if copy.name == "contract.py"}
    assert services == {"worker-server", "central-server"}


def test_the_contract_needs_the_standard_library_only() -> None:
    tree = ast.parse((ORIGINALS / "contract.py").read_text())
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
