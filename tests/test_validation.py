"A distilled set used from outside: by spawned workers, by a console, and labels that outlive a killed process"

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import teddy_nb

MAKE = """
import sys, time
from dataclasses import replace
from pathlib import Path
import torch
from teddy_nb.students.epoch_augment import EpochAugConfig, EpochView
from teddy_nb.data.datasets import load_data
from teddy_nb.students.soft_labels import OnlineLabels, store_labels
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.config import get_recipe
from teddy_nb.teachers.training import new_model
from teddy_nb.validation import random_real

class Slow(OnlineLabels):
    def __call__(self, epoch):
        time.sleep(float(sys.argv[2]))
        return super().__call__(epoch)

train, _ = load_data("digits")
data, recipe = random_real(train, 2, 0), get_recipe("digits_prior").eval_soft
recipe = replace(recipe, training=replace(recipe.training, epochs=20))
teacher = make_teacher(new_model("convnet-2-8-batch", train, 0), "convnet-2-8-batch", 1, 0.1, train)
pool = Pool("prior", (teacher,), teacher, train.classes, train.channels, train.size, train.mean, train.std)
out = Path(sys.argv[1])
if not (out / "distilled").exists():
    data.save(out / "distilled")
store_labels(Slow(EpochView(data, EpochAugConfig.from_eval(recipe, 0)), pool, recipe), out / "labels")
"""


def make(out: Path, pause: float = 0.0) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", MAKE, str(out), str(pause)], stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run")
    assert make(out).wait() == 0
    return out


def test_spawned_workers_see_what_this_process_sees(run):
    data = teddy_nb.load(run / "distilled").at_epoch(7)
    data[0]  # Whatever it keeps of the epoch must travel
    loader = DataLoader(data, batch_size=6, num_workers=2, multiprocessing_context="spawn")
    x, p = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert torch.equal(x, torch.stack([data[i][0] for i in range(20)]))
    assert torch.equal(p, torch.stack([data[i][1] for i in range(20)]))


def test_killed_labels_end_with_the_same_bytes(run, tmp_path):
    process = make(tmp_path, pause=0.1)
    while not (tmp_path / "labels" / "index.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(teddy_nb.core.BadInput, match="of 20 epochs"):
        teddy_nb.load(tmp_path / "distilled")
    assert make(tmp_path).wait() == 0
    for name in ("labels.bin", "index.json"):
        assert (tmp_path / "labels" / name).read_bytes() == (run / "labels" / name).read_bytes()


def by_other_software(distilled: Path, out: Path):
    "The same pictures as JPEG, in folders called as the classes are"
    for c in json.loads((distilled / "classes.json").read_text()):
        (out / c["name"]).mkdir(parents=True)
        for i, file in enumerate((distilled / c["folder"]).glob("*.png")):
            Image.open(file).convert("RGB").save(out / c["name"] / f"img-{i}.JPEG")


def test_the_command_scores_a_folder(run, tmp_path):
    script = tmp_path / "teddy_validate"
    script.write_text("from teddy_nb.cli import teddy_validate\nteddy_validate()\n")
    by_other_software(run / "distilled", tmp_path / "set")
    ask = [sys.executable, str(script), "--set", str(tmp_path / "set"), "--epochs", "2", "--students", "1"]
    good = subprocess.run(
        [*ask, "--protocol", "table3-instance", "--student", "convnet-2-8-instance"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "random real images, equal bytes" in good.stdout and "augmentation dsa" in good.stdout
    bad = subprocess.run([*ask, "--student", "vit_b_16"], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout, len(bad.stderr.strip().splitlines())) == (2, "", 1)
