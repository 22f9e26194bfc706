"""What the services share is copied from fast-server/shared, and stays the same."""

import ast
import sys
from pathlib import Path

import pytest

from local_stack.stack import ROOT
from shared_copies import COPYING, ORIGINALS, copies, needed


@pytest.mark.parametrize("service", COPYING)
def test_a_service_has_copies_of_what_it_imports_and_no_others(service: str) -> None:
    assert copies(service) == needed(service), "make shared"


@pytest.mark.parametrize("service", COPYING)
def test_a_copy_is_the_original_byte_for_byte(service: str) -> None:
    for copy in copies(service):
        content = (ROOT / service / "shared" / copy).read_bytes()
        assert content == (ORIGINALS / copy).read_bytes(), f"{copy}: make shared"


@pytest.mark.parametrize("service", ["fast-server", "worker-server"])
def test_scripts_for_redis_reach_the_image_of_a_service(service: str) -> None:
    assert list((ROOT / service).rglob("*.lua"))
    assert "!**/*.lua" in (ROOT / service / ".dockerignore").read_text().splitlines()


def test_all_three_services_have_the_contract() -> None:
    assert all(Path("contract.py") in needed(service) for service in COPYING)


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
