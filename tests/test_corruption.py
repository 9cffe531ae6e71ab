"Every kind of file in a run, damaged in every way: the next command heals it or names it, and never gives other results"

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from teddy_nb import pipeline
from teddy_nb.core.errors import BadInput
from teddy_nb.students.labels import load_distilled

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
from crash_soak import DATA, SECONDS, short

CFG = short("digits_prior")
CFG = replace(CFG, synthesis=replace(CFG.synthesis, classwise_share=0.5))
POOL = "convnet-2-8-batch-1.safetensors"


def distill(folder, seed=0):
    return pipeline.distill_dataset(DATA, replace(CFG, seed=seed), 1, folder, force=True)[1]


def flip(share):
    return lambda b: b[: (i := int(share * (len(b) - 1)))] + bytes([b[i] ^ 1]) + b[i + 1 :]


def change_json(change):
    def damage(content):
        value = json.loads(content)
        change(value[0] if isinstance(value, list) else value)
        return json.dumps(value, indent=1).encode()

    return damage


def change_tensors(change):
    def damage(content):
        n = int.from_bytes(content[:8], "little")
        notes = json.loads(content[8 : 8 + n])["__metadata__"]
        tensors = load(content)
        change(tensors)
        return save(tensors, notes)

    return damage


def set_nan(values):
    values[next(k for k in sorted(values) if k != "digest")] = float("nan")


def fill_nan(tensors):
    for v in tensors.values():
        v.fill_(float("nan") if v.is_floating_point() else 255)


def add_key(values):
    values["unknown"] = 1


def add_tensor(tensors):
    tensors["unknown"] = torch.zeros(1)


def by_suffix(path, change, raw):
    if path.endswith(".jsonl"):
        return lambda b: b + b'{"time": 0, "timed": "pool", "seconds": "x", "unknown": NaN}\n'
    return change_json(change) if path.endswith(".json") else change_tensors(change) if path.endswith("rs") else raw


DAMAGES = {
    "flipped early": lambda path: flip(0.05),
    "flipped": lambda path: flip(0.5),
    "flipped late": lambda path: flip(0.97),
    "zeroed": lambda path: lambda b: bytes(len(b)),
    "truncated": lambda path: lambda b: b[: len(b) // 2],
    "emptied": lambda path: lambda b: b"",
    "nan": lambda path: by_suffix(
        path, fill_nan if path.endswith("rs") else set_nan, lambda b: b"\0\0\xc0\x7f" + b[4:]
    ),
    "unknown key": lambda path: by_suffix(path, add_tensor if path.endswith("rs") else add_key, lambda b: b + b"more"),
    "another run's": None,
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    "A run at several moments, one of another seed at the same ones, and the results of the first"
    home, patch, writes = tmp_path_factory.mktemp("runs"), pytest.MonkeyPatch(), []
    moments = {("checkpoint.safetensors", 1): "checkpoint", ("convnet-2-8-batch-1.safetensors", 1): "progress"}
    moments |= {("epoch-00001.safetensors", 1): "labels", ("results.json", 1): "before results"}
    moments |= {("00000.safetensors", 1): "before synthesis"}
    patch.setattr(os, "fsync", lambda fd: None)
    patch.setattr(pipeline, "save_figures", lambda *_: None)
    original = os.replace

    def replace_and_copy(a, b):
        name, other = Path(b).name, "other " if "other whole" in str(b) else ""
        before = name in ("00000.safetensors", "results.json")
        if not before:
            original(a, b)
        writes.append(other + name)
        if to := moments.get((name, writes.count(other + name))):
            shutil.copytree(home / f"{other}whole", home / f"{other}{to}", ignore=shutil.ignore_patterns("*.partial"))
        if before:
            original(a, b)

    patch.setattr(os, "replace", replace_and_copy)
    results = distill(home / "whole")
    distill(home / "other whole", seed=1)
    patch.setattr(os, "replace", original)
    yield home, results
    patch.undo()


def contents(folder):
    "Every file, without times"
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    kept = {f: c for f, c in files.items() if Path(f).name != "log.jsonl" and not f.endswith(".lock")}
    return {f: SECONDS.sub(b"", c) if f.endswith(".json") else c for f, c in kept.items()}


def scores(results):
    return [replace(r, seconds=0.0) for r in results]


FILES = {  # What is there when a file is damaged; what becomes of it when the run goes on, and when its set is opened
    "recipe.toml": ("whole", "named", ""),
    "log.jsonl": ("whole", "healed", ""),
    "results.json": ("whole", "healed", ""),
    "pool/checkpoint.safetensors": ("checkpoint", "healed or named", ""),  # Another training's is named
    "pool/manifest.safetensors": ("whole", "named", ""),
    f"pool/{POOL}": ("whole", "named", ""),
    "synth/00000.safetensors": ("whole", "named", ""),
    "statistics/*": ("before synthesis", "named", ""),
    "distilled/set.json": ("whole", "healed", "named"),
    "distilled/classes.json": ("whole", "healed", "named"),
    "distilled/0/00000.png": ("whole", "healed", "same or named"),  # Bytes that decide no pixel
    "scores/soft/0.safetensors": ("whole", "named", ""),
    "labels/epoch-00001.safetensors": ("whole", "named", "named"),
}


def outcome(run, use, if_equal):
    "What becomes of a damaged run: what its sentence is, or whether the result is right all the same"
    try:
        return if_equal if use() else "silent"
    except BadInput as e:
        assert str(run) in str(e) and "\n" not in str(e), e
        return "named"


def opened(folder):
    "A distilled set with all its labels, as bytes"
    s = load_distilled(folder)
    return s.data.digest(), [s.at_epoch(e)[i][1].numpy().tobytes() for e in range(s.epochs) for i in range(len(s))]


ITEMS = {f for f in FILES if f.endswith(("rs", "*"))} - {"synth/00000.safetensors"}  # One function reads them all
BRIEF = "flipped", "truncated", "another run's"
TRIED = [(file, damage) for file in FILES for damage in DAMAGES if file not in ITEMS or damage in BRIEF]


@pytest.mark.parametrize(("file", "damage"), TRIED)
def test_a_damaged_file_is_healed_or_named(file, damage, trees, tmp_path):
    home, results = trees
    moment, going_on, opening = FILES[file]
    run = tmp_path / "run"
    shutil.copytree(home / moment, run)
    old, new = next(run.glob(file)), next((home / f"other {moment}").glob(file))
    content = new.read_bytes() if damage == "another run's" else DAMAGES[damage](file)(old.read_bytes())
    if content == old.read_bytes():
        pytest.skip("both runs have the same file")
    old.write_bytes(content)
    if opening:
        assert outcome(run, lambda: opened(run / "distilled") == opened(home / "whole/distilled"), "same") in opening
    equal = lambda: scores(distill(run)) == scores(results) and contents(run) == contents(home / "whole")
    assert outcome(run, equal, "healed") in going_on
