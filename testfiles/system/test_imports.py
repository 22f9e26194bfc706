"""The packages of each service are layers: one imports only from those below it.

So no two packages import each other, and a reader who goes down never comes back up.
"""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from local_stack.stack import ROOT

# Packages, and the modules that lie beside them. The top layer comes first.
LAYERS = {
    "fast-server": [
        "main",
        "overview",
        "live",
        "batches",
        "page",
        "previews",
        "images",
        "media",
        "ingest",
        "index",
        "upload_api",
        "shared.web",
        "shared.redis",
        "shared",
    ],
    "worker-server": [
        "worker",
        "service",
        "recovery",
        "pipeline",
        "preview",
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
        "shared.redis",
        "shared",
    ],
    "central-server": ["main", "archive", "storage_api", "shared.web", "shared"],
}
# Of the commands and the suite, whatever their order.
TEST_PACKAGES = ("benchmarks", "faults", "local_stack", "support")
MOST_AT_THE_TOP, MOST_IN_A_PACKAGE = 10, 16
Module = str  # "formats.tiff.page"


def modules(service: str) -> dict[Module, Path]:
    """A package's own name stands for its __init__.py."""
    folder = ROOT / service
    names = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in names.items()}


def imported_names(path: Path) -> Iterator[str]:
    """Whatever is imported, wherever in the file: "a.b" for `import a.b` and `from a import b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute from the service's folder"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path, known: dict[Module, Path]) -> Iterator[Module]:
    """The service's own modules that this one imports."""
    for name in imported_names(path):
        if name in known:
            yield name
        elif (module := name.rpartition(".")[0]) in known:
            yield module


def layer(module: Module) -> str:
    return module.rpartition(".")[0] or module


def top(name: str) -> str:
    return name.partition(".")[0]


def is_sign(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    return bool(ast.get_docstring(tree)) and len(tree.body) == 1


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
def test_no_service_imports_from_another(service: str) -> None:
    own = {top(module) for module in modules(service)}
    others = {top(module) for other in LAYERS for module in modules(other)} - own
    for path in modules(service).values():
        assert not others & {top(name) for name in imported_names(path)}, path


@pytest.mark.parametrize("service", LAYERS)
def test_the_sign_of_a_package_names_what_it_imports(service: str) -> None:
    known = modules(service)
    packages = {top(module) for module in known if "." in module} - {"shared"}
    for package in packages:
        named = re.search(r"^Imports ([^.]*)\.$", known[package].read_text(), re.MULTILINE)
        inside = [path for module, path in known.items() if top(module) == package]
        used = {top(imported) for path in inside for imported in imports(path, known)} - {package}
        assert named, package
        assert {*re.findall(r"\w+", named[1])} - {"and", "nothing"} == used, package


@pytest.mark.parametrize("service", LAYERS)
def test_every_folder_of_modules_is_a_package(service: str) -> None:
    folders = {path.parent for path in modules(service).values()} - {ROOT / service}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", TEST_PACKAGES)
def test_a_package_of_the_tests_says_what_it_is_about(package: str) -> None:
    folder = ROOT / "testfiles" / package
    assert is_sign(folder / "__init__.py")
    assert len(list(folder.glob("*.py"))) <= MOST_IN_A_PACKAGE + 1


def test_no_test_imports_another_and_their_names_differ() -> None:
    tests = list((ROOT / "testfiles").rglob("test_*.py"))
    assert len({path.name for path in tests}) == len(tests)
    for path in tests:
        assert not any("test_" in name for name in imported_names(path)), path


@pytest.mark.parametrize("service", LAYERS)
def test_a_package_says_what_it_is_about_and_is_not_too_large(service: str) -> None:
    known = modules(service)
    for package, sign in known.items():
        if sign.name == "__init__.py":
            assert is_sign(sign), f"{package}: what belongs here, in a sentence or two, and no code"
            inside = [m for m in known if m != package and layer(m) == package]
            assert len(inside) <= MOST_IN_A_PACKAGE, package
    assert len(list((ROOT / service).glob("*.py"))) <= MOST_AT_THE_TOP


@pytest.mark.parametrize("service", LAYERS)
def test_what_is_shared_knows_nothing_of_its_service(service: str) -> None:
    known = modules(service)
    for module, path in known.items():
        if top(module) == "shared":
            assert {top(imported) for imported in imports(path, known)} <= {"shared"}, module
