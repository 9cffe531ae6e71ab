"The shape of the package: imports run one way, and a run loads nothing for notebooks"

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "teddy_nb"
MODULES = {p.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): p for p in PACKAGE.rglob("*.py")}
CHAPTERS = {p.stem[3:] for p in (PACKAGE.parent / "nbs").glob("[0-9]*.ipynb")}
ABOVE = {"pipeline", "pipeline_detection", "cli", "reproduce"}  # These alone import everything


def imported(path: Path) -> set[str]:
    "Modules of the package that a module imports, also inside its functions"
    own = path.relative_to(PACKAGE.parent).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = [*own[: len(own) - node.level]] if node.level else []
            found.add(".".join([*base, *(node.module or "").split(".")]))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("teddy_nb.") for name in found if name.startswith("teddy_nb.")}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - CHAPTERS))
def test_the_toolkit_imports_no_chapter(name):
    if name.split(".")[0] in ABOVE or name in ("__init__", "__main__", "_modidx"):
        pytest.skip("stands above the chapters")
    up = {m for m in imported(MODULES[name]) if m in CHAPTERS or m.split(".")[0] in ABOVE}
    assert not up, f"{name} imports {', '.join(sorted(up))}"


def test_no_circle():
    graph = {name: imported(path) & MODULES.keys() for name, path in MODULES.items() if not name.startswith("_")}
    while leaves := {name for name, below in graph.items() if not below & graph.keys()}:
        graph = {name: below for name, below in graph.items() if name not in leaves}
    assert not graph


def test_a_run_loads_nothing_for_notebooks():
    code = "import sys, teddy_nb.pipeline; print(*{'ipywidgets', 'IPython'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"
