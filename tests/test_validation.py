"A distilled set used from outside: by spawned workers, by a console, and labels that outlive a killed process"

import json
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from processes import finish, start
from torch.utils.data import DataLoader

import teddy_nb
from teddy_nb.cli import run_command, teddy_validate

SCRIPT = "slow_labels.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run")
    finish(start(SCRIPT, out, 0))
    return out


def test_spawned_workers_see_what_this_process_sees(run):
    data = teddy_nb.load(run / "distilled").at_epoch(7)
    data[0]  # Whatever it keeps of the epoch must travel
    loader = DataLoader(data, batch_size=6, num_workers=1, multiprocessing_context="spawn")
    x, p = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert torch.equal(x, torch.stack([data[i][0] for i in range(20)]))
    assert torch.equal(p, torch.stack([data[i][1] for i in range(20)]))


def test_killed_labels_end_with_the_same_bytes(run, tmp_path):
    process = start(SCRIPT, tmp_path, 0.1)
    while not [*tmp_path.glob("labels/epoch-*.safetensors")]:
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    with pytest.raises(teddy_nb.core.errors.BadInput, match="of 20 epochs"):
        teddy_nb.load(tmp_path / "distilled")
    finish(start(SCRIPT, tmp_path, 0))
    assert contents(tmp_path / "labels") == contents(run / "labels")
    assert len(contents(run / "labels")) == 20


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".lock"}


def by_other_software(distilled: Path, out: Path):
    "The same pictures as JPEG, in folders called as the classes are"
    for c in json.loads((distilled / "classes.json").read_text()):
        (out / c["name"]).mkdir(parents=True)
        for i, file in enumerate((distilled / c["folder"]).glob("*.png")):
            Image.open(file).convert("RGB").save(out / c["name"] / f"img-{i}.JPEG")


def test_the_command_scores_a_folder(run, tmp_path, capsys):
    by_other_software(run / "distilled", tmp_path / "set")
    brief = partial(teddy_validate, set=str(tmp_path / "set"), epochs=2, students=1)
    # Students of this protocol are compiled; no other quick test scores such ones
    brief(protocol="table3-instance", student="convnet-2-8-instance")
    good = capsys.readouterr().out
    assert "random real images, equal bytes" in good and "views by DSA" in good
    with pytest.raises(SystemExit) as e:
        run_command("teddy_validate", [f"--set={tmp_path / 'set'}", "--student=vit_b_16", "--students=1"])
    bad = capsys.readouterr()
    *_, error = bad.err.splitlines()  # Above it stands what was read
    assert (e.value.code, bad.out, error.startswith("teddy_validate: vit_b_16")) == (2, "", True)
