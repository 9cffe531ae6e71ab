"The shape of the package: imports run one way, and a run loads nothing for notebooks"

import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from teddy_nb.config import get_recipe
from teddy_nb.data.datasets import load_data
from teddy_nb.matching.matching_loss import stat_distance
from teddy_nb.pipeline import distill_dataset
from teddy_nb.teachers.pool import load_pool

PACKAGE = Path(__file__).parent.parent / "teddy_nb"
MODULES = {p.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): p for p in PACKAGE.rglob("*.py")}
CHAPTERS = {p.stem[3:] for p in (PACKAGE.parent / "nbs").glob("[0-9]*.ipynb")}
ABOVE = {"comparison", "pipeline", "pipeline_detection", "cli", "reproduce"}  # These alone import everything


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


@pytest.mark.parametrize("name", sorted(CHAPTERS & MODULES.keys()))
def test_chapters_keep_files_through_the_store_alone(name):
    kept = {m for m in imported(MODULES[name]) if m.startswith("runs.")}
    assert kept <= {"runs.store", "runs.distilled_set"}


def test_no_circle():
    graph = {name: imported(path) & MODULES.keys() for name, path in MODULES.items() if not name.startswith("_")}
    while leaves := {name for name, below in graph.items() if not below & graph.keys()}:
        graph = {name: below for name, below in graph.items() if name not in leaves}
    assert not graph


def test_the_top_level_has_its_names_loads_them_late_and_nothing_for_notebooks():
    code = "import sys, teddy_nb; assert 'torch' not in sys.modules"
    code += "; assert set(teddy_nb.__all__) <= set(dir(teddy_nb))"
    code += "; assert 'teddy' in teddy_nb.METHODS"
    code += "; assert all(callable(getattr(teddy_nb, n)) for n in teddy_nb.__all__ if n != 'METHODS')"
    code += "; assert 'teddy_nb.pipeline' in sys.modules; print(*{'ipywidgets', 'IPython'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"


class Found(Exception):
    "The function that was looked for has been called"


def calls_between(outer: Callable, inner: Callable, run: Callable) -> list[str]:
    "Functions of the package on the way from `outer` to the first call of `inner`, without the store and lambdas"
    way = []

    def look(frame, event, arg):
        if event == "call" and frame.f_code is inner.__code__:
            while (frame := frame.f_back).f_code is not outer.__code__:
                module, name = frame.f_globals["__name__"], frame.f_code.co_name
                if module.startswith("teddy_nb.") and module != "teddy_nb.runs.store" and not name.startswith("<"):
                    way.insert(0, name)
            raise Found

    sys.setprofile(look)
    try:
        run()
    except Found:
        return way
    finally:
        sys.setprofile(None)


def test_the_loss_is_met_within_eight_calls(tmp_path):
    data, recipe = load_data("digits"), get_recipe("digits_prior")
    recipe = replace(recipe, synthesis=replace(recipe.synthesis, iterations=1), alternatives=None)
    run = lambda: distill_dataset(data, recipe, 1, tmp_path / "run", pool=load_pool("zoo/digits_prior"))
    way = calls_between(distill_dataset, stat_distance, run)
    assert len(way) <= 8 and "synthesize" in way, " > ".join(way)
