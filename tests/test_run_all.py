"""Run All in a plain Jupyter kernel, which knows no nbdev flags: on a stranger's folder of three classes, and looking at the figures

TEDDY_RUN_ALL=1 runs every chapter that takes a folder and every page with figures; otherwise a few.
"""

import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

NBS = Path(__file__).parent.parent / "nbs"
CHAPTERS = sorted(NBS.glob("0[1-5]_*.ipynb"))
PAGES = [p.relative_to(NBS).as_posix() for p in sorted(NBS.rglob("*.ipynb")) if "#| fig-cap" in p.read_text()]
BRIEF = ("01_pool_prior",)
BRIEF_PAGES = ("toolkit/data/init.ipynb",)
FIGURE = re.compile(r"^#\| ?(fig-cap:|label: ?fig-)", re.MULTILINE)
SKIPPED = re.compile(r"^#\| ?(slow|cuda)", re.MULTILINE)
SETTING = re.compile(r'^DATASET = "digits"$', re.MULTILINE)


def paint(folder: Path, n: int = 15, size: int = 16):
    "Three classes of stripes, discs and checks with noise"
    rows, columns = np.mgrid[:size, :size]
    shapes = {
        "stripes": rows // 2 % 2,
        "discs": (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < size**2 / 9,
        "checks": (rows // 4 + columns // 4) % 2,
    }
    noise = np.random.default_rng(0)
    for name, shape in shapes.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            grey = 60 + 130 * shape[..., None] + noise.integers(0, 60, (size, size, 3))
            Image.fromarray(grey.astype(np.uint8)).save(folder / name / f"{i}.png")


def run_all(path: Path, nb: nbformat.NotebookNode) -> str:
    "The chapter's name, and the last line of what stopped it"
    try:
        NotebookClient(nb, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    except Exception as e:  # noqa: BLE001
        return f"{path.name}: {str(e).strip().splitlines()[-1]}"
    return ""


def pictures(cell: nbformat.NotebookNode) -> int:
    "How many pictures and widgets of ours a reader sees below a cell"
    shown = [output.get("data", {}) for output in cell.outputs]
    return sum(
        bool({"image/png", "image/svg+xml"} & d.keys()) or 'class="teddy"' in d.get("text/html", "") for d in shown
    )


def several_pictures(nb: nbformat.NotebookNode) -> dict[str, int]:
    "The figures below which a reader sees no picture, or more than one"
    cells = [c for c in nb.cells if c.cell_type == "code"]
    figures = [c for c in cells if FIGURE.search(c.source) and not SKIPPED.search(c.source)]
    return {c.source[:200]: n for c in figures if (n := pictures(c)) != 1}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_to_its_end_on_a_folder(chapter, tmp_path, monkeypatch):
    if chapter.stem not in BRIEF and not os.environ.get("TEDDY_RUN_ALL"):
        pytest.skip("takes a minute; set TEDDY_RUN_ALL=1 to run it")
    paint(tmp_path / "photos")
    monkeypatch.delenv("TEDDY_SLOW", raising=False)
    nb = nbformat.read(chapter, 4)
    settings = [c for c in nb.cells if c.cell_type == "code" and SETTING.search(c.source)]
    assert len(settings) == 1, f"{chapter.name} has {len(settings)} settings cells"
    settings[0].source = SETTING.sub(f'DATASET = "{tmp_path / "photos"}"', settings[0].source)
    assert not (stopped := run_all(chapter, nb)), stopped
    assert several_pictures(nb) == {}


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_is_one_picture(page, monkeypatch):
    "Whatever ran before it: matplotlib's inline backend is there only once pyplot has drawn"
    if page not in BRIEF_PAGES and not os.environ.get("TEDDY_RUN_ALL"):
        pytest.skip("takes a minute; set TEDDY_RUN_ALL=1 to run it")
    monkeypatch.delenv("TEDDY_SLOW", raising=False)
    nb = nbformat.read(NBS / page, 4)
    cells = [c for c in nb.cells if c.cell_type == "code"]
    for cell in cells:
        cell.outputs = []
    assert not (stopped := run_all(NBS / page, nb)), stopped
    assert several_pictures(nb) == {}
