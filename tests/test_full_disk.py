"A full disk ends a command in a sentence, leaves nothing half-written, and costs no work: with room again, it ends with the same bytes"

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from teddy_nb import pipeline
from teddy_nb.cli import one_line_errors
from teddy_nb.core.errors import BadInput
from teddy_nb.runs.files import write_file
from teddy_nb.runs.store import Store
from teddy_nb.students.labels import make_labels
from teddy_nb.validation import random_real

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
from crash_soak import DATA, contents, short

RECIPE = short("digits_prior")


@pytest.fixture
def disk(tmp_path):
    "A folder on a file system of its own, and a function that sets its size in bytes"
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4096", "none", str(folder)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here: that takes root")
    yield folder, lambda n: subprocess.run(["mount", "-o", f"remount,size={n}", str(folder)], check=True)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    distill(folder)
    pages = sum(-(-p.stat().st_size // 4096) for p in folder.rglob("*") if p.is_file())
    return contents(folder)[0], 4096 * pages


def distill(folder):
    pipeline.distill_dataset(DATA, RECIPE, 1, folder, force=True)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_run_goes_on_when_there_is_room(share, disk, whole, capsys):
    (folder, resize), (expected, size) = disk, whole
    resize(int(share * size))
    with pytest.raises(SystemExit) as e, one_line_errors("teddy_distill"):
        distill(folder / "run")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("teddy_distill: ")]
    assert e.value.code == 2 and len(lines) == 1, lines
    assert not [p for p in folder.rglob("*.partial") if p.is_file()]
    resize(4 * size)
    distill(folder / "run")
    assert contents(folder / "run") == (expected, [])


def test_labels_are_refused_before_the_work_begins(disk):
    folder, resize = disk
    resize(2**20)
    cfg = replace(RECIPE.eval_soft, training=replace(RECIPE.eval_soft.training, epochs=10**6))
    with pytest.raises(BadInput, match="labels needs .* bytes"):
        pipeline.distill_dataset(DATA, replace(RECIPE, eval_soft=cfg), 1, folder / "run", force=True)
    assert not list(folder.iterdir())


def test_a_disk_that_fills_while_labels_are_written(disk, tmp_path, monkeypatch):
    folder, resize = disk
    resize(2**20)
    pool = pipeline.make_pool(DATA, RECIPE)
    images, cfg = random_real(DATA.train, 1, 0), RECIPE.eval_soft
    make_labels(images, pool, cfg, Store(tmp_path / "labels"))

    def fill_and_write(*args):
        monkeypatch.undo()
        with pytest.raises(OSError, match="space"), open(folder / "filler", "wb") as f:
            f.write(bytes(2**21))
        write_file(*args)

    monkeypatch.setattr("teddy_nb.runs.store.write_file", fill_and_write)
    with pytest.raises(OSError, match="space"):
        make_labels(images, pool, cfg, Store(folder / "labels"))
    (folder / "filler").unlink()
    make_labels(images, pool, cfg, Store(folder / "labels"))
    assert contents(folder / "labels") == contents(tmp_path / "labels")
