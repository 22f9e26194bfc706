"""What the services share is copied from fast-server/shared, and stays the same."""

import ast
import sys

import pytest

from local_stack.stack import ROOT
from shared_copies import COPYING, ORIGINALS, needed


@pytest.mark.parametrize("service", COPYING)
def test_a_service_has_copies_of_what_it_imports_and_no_others(service: str) -> None:
    copies = {path.stem for path in (ROOT / service / "shared").glob("*.py")}
    assert copies == needed(service), "make shared"


@pytest.mark.parametrize("service", COPYING)
def test_a_copy_is_the_original_byte_for_byte(service: str) -> None:
    for copy in (ROOT / service / "shared").glob("*.py"):
        assert copy.read_bytes() == (ORIGINALS / copy.name).read_bytes(), f"{copy}: make shared"


def test_all_three_services_have_the_contract() -> None:
    assert all("contract" in needed(service) for service in COPYING)


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
