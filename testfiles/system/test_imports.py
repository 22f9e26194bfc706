"""The packages of each service are layers: one imports only from those below it.

So no two packages import each other, and a reader who goes down never comes back up.
"""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from local_stack.stack import ROOT

# Packages, and the modules that lie beside them. The top layer comes first.
LAYERS = {
    "fast-server": ["main", "media", "ingest", "upload_api", "shared"],
    "worker-server": [
        "worker",
        "service",
        "recovery",
        "pipeline",
        "watermark",
        "formats",
        "formats.conversion",
        "formats.avif",
        "formats.gif",
        "formats.jpeg",
        "formats.jpeg.libjpeg",
        "formats.png",
        "formats.tiff",
        "formats.tiff.codec",
        "formats.webp",
        "formats.codecs",
        "drawing",
        "metadata",
        "settings",
        "runtime",
        "options",
        "errors",
        "shared",
    ],
    "central-server": ["main", "archive", "storage_api", "shared"],
}
MOST_AT_THE_TOP, MOST_IN_A_PACKAGE = 10, 16
Module = str  # "formats.tiff.page"


def modules(service: str) -> dict[Module, Path]:
    """A package's own name stands for its __init__.py."""
    folder = ROOT / service
    names = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in names.items()}


def imports(path: Path, known: dict[Module, Path]) -> Iterator[Module]:
    """The service's own modules that this one imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute from the service's folder"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                if module in known:
                    yield module
                elif node.module in known:
                    yield node.module


def layer(module: Module) -> str:
    return module.rpartition(".")[0] or module


@pytest.mark.parametrize("service", LAYERS)
def test_every_package_is_a_layer(service: str) -> None:
    known = modules(service)
    used = {layer(module) for module, path in known.items() if path.name != "__init__.py"}
    assert used == set(LAYERS[service])


@pytest.mark.parametrize("service", LAYERS)
def test_no_package_imports_from_above(service: str) -> None:
    layers, known = LAYERS[service], modules(service)
    upward = [
        f"{module} imports {imported}"
        for module, path in known.items()
        for imported in imports(path, known)
        if layers.index(layer(imported)) < layers.index(layer(module))
    ]
    assert upward == []


@pytest.mark.parametrize("service", LAYERS)
def test_no_modules_import_each_other_in_a_circle(service: str) -> None:
    known = modules(service)
    graph = {module: set(imports(path, known)) for module, path in known.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("service", LAYERS)
def test_a_package_says_what_it_is_about_and_is_not_too_large(service: str) -> None:
    known = modules(service)
    for package, sign in known.items():
        if sign.name == "__init__.py":
            tree = ast.parse(sign.read_text())
            assert ast.get_docstring(tree), f"{package}: what belongs here, in a sentence or two"
            assert len(tree.body) == 1, f"{package}: no code in an __init__.py"
            inside = [m for m in known if m != package and layer(m) == package]
            assert len(inside) <= MOST_IN_A_PACKAGE, package
    assert len(list((ROOT / service).glob("*.py"))) <= MOST_AT_THE_TOP


@pytest.mark.parametrize("service", LAYERS)
def test_what_is_shared_knows_nothing_of_its_service(service: str) -> None:
    known = modules(service)
    for module, path in known.items():
        if layer(module) == "shared":
            assert {layer(imported) for imported in imports(path, known)} <= {"shared"}, module
