"""Run All in a plain Jupyter kernel, which knows no nbdev flags, on a stranger's folder of three classes

TEDDY_RUN_ALL=1 runs every chapter that takes a folder; otherwise it is one.
"""

import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

CHAPTERS = sorted(Path(__file__).parent.parent.glob("nbs/0[1-5]_*.ipynb"))
BRIEF = ("01_pool_prior",)
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


def run_all(path: Path, dataset: Path) -> str:
    "The chapter's name, and the last line of what stopped it"
    nb = nbformat.read(path, 4)
    settings = [c for c in nb.cells if c.cell_type == "code" and SETTING.search(c.source)]
    assert len(settings) == 1, f"{path.name} has {len(settings)} settings cells"
    settings[0].source = SETTING.sub(f'DATASET = "{dataset}"', settings[0].source)
    try:
        NotebookClient(nb, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    except Exception as e:  # noqa: BLE001
        return f"{path.name}: {str(e).strip().splitlines()[-1]}"
    return ""


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_to_its_end_on_a_folder(chapter, tmp_path, monkeypatch):
    if chapter.stem not in BRIEF and not os.environ.get("TEDDY_RUN_ALL"):
        pytest.skip("takes a minute; set TEDDY_RUN_ALL=1 to run it")
    paint(tmp_path / "photos")
    monkeypatch.delenv("TEDDY_SLOW", raising=False)
    assert not (stopped := run_all(chapter, tmp_path / "photos")), stopped
