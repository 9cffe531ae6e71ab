"What cannot work is refused in one sentence, with exit code 2, before anything is written, and without a hang"

import os
import pickle
import re
import shutil
import signal
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from teddy_nb import cli
from teddy_nb.bn_matching import synthesize
from teddy_nb.config import AffineConfig, BilevelConfig, DMConfig, TrainConfig, default_recipe, get_protocol, get_recipe
from teddy_nb.core.errors import BadInput
from teddy_nb.data.datasets import load_data
from teddy_nb.data.images import make_imbalanced, random_index_per_class
from teddy_nb.data.init import init_images, init_pixels
from teddy_nb.forecast import forecast
from teddy_nb.methods.pixels import distill_bilevel, distill_dm
from teddy_nb.pipeline import distill_dataset, make_pool_folder, read_results, score_folder
from teddy_nb.pool_prior import train_pool, train_trajectory
from teddy_nb.reproduce.experiment import DataConfig, read_experiment, reproduce
from teddy_nb.reproduce.tables import select_experiments
from teddy_nb.runs.distilled_set import read_images, read_set
from teddy_nb.runs.files import read_json
from teddy_nb.runs.store import Item, read_item, write_item
from teddy_nb.students.labels import label_size, load_distilled, plan_storage
from teddy_nb.teachers.models import build_model
from teddy_nb.teachers.pool import load_pool, save_pool
from teddy_nb.teachers.pretrained import load_converged
from teddy_nb.validation import random_real, validate

RECIPE, POST = get_recipe("digits_prior"), get_recipe("digits_post")


@pytest.fixture(autouse=True)
def no_hang():
    signal.alarm(100)
    yield
    signal.alarm(0)


@pytest.fixture(scope="module")
def data():
    return load_data("digits")


@pytest.fixture(scope="module")
def pool(data, tmp_path_factory):
    training = replace(RECIPE.pool.training, epochs=1)
    recipe = replace(RECIPE, model="convnet-2-8-batch", pool=replace(RECIPE.pool, training=training, stages=(1,)))
    return train_pool(data, recipe)


CONFIGURATIONS = [
    (RECIPE.pool.training, "epochs", [-1, "2", None, float("nan"), float("inf"), True]),
    (RECIPE.pool.training, "batch_size", [0, -1, 1.5, "8", None]),
    (RECIPE.pool.training, "lr", [0, -1, "0.1", float("nan")]),
    (RECIPE.pool.training, "optimizer", ["Sgd", "", None, 3]),
    (RECIPE.pool.training, "schedule", ["linear", None]),
    (RECIPE.pool.training, "precision", ["fp16", None]),
    (RECIPE.pool.training, "augment", [None, "crop", {}]),
    (RECIPE.pool, "stages", [(), (0,), (3, 2), (1, 1), (1.5,), "12", None]),
    (RECIPE.pool, "training", [None, TrainConfig(0, 8, 0.1)]),
    (POST.pool, "size", [0, -1, 2.5, "3"]),
    (POST.pool, "macs_ratio", [0, 2, -0.5, "half"]),
    (POST.pool, "curve_window", [(1,), (0, 2), "12", 3]),
    (RECIPE.synthesis, "iterations", [0, -1, 2.5, "10"]),
    (RECIPE.synthesis, "n_teachers", [0, -1, "3"]),
    (RECIPE.synthesis, "bn_weight", ["Auto", -1, None]),
    (RECIPE.synthesis, "group_size", [-1, "1"]),
    (RECIPE.synthesis, "init", ["zeros", None]),
    (RECIPE.synthesis, "betas", [(0.5,), (0.5, 1.5), 0.5, "ab"]),
    (RECIPE.eval_soft, "temperature", [0, -1, "1"]),
    (RECIPE.eval_soft, "n_students", [0, -1, 1.5]),
    (RECIPE.eval_soft, "augmentation", ["mixup", None]),
    (RECIPE.eval_soft, "training", [None, TrainConfig(0, 8, 0.1)]),
    (RECIPE, "seed", [1.5, "0", None]),
    (RECIPE, "pool", [None, RECIPE.synthesis]),
    (DMConfig(), "iterations", [0, "3"]),
    (DMConfig(), "optimizer", ["adamw", None]),
    (BilevelConfig(), "inner_steps", [0, -1]),
    (AffineConfig(), "scale", [(0, 1), (2, 1), "ab", 0.5, (1,)]),
    (AffineConfig(), "flip", ["yes", None, 2]),
]


@pytest.mark.parametrize(("cfg", "field", "value"), [(c, f, v) for c, f, values in CONFIGURATIONS for v in values])
def test_no_configuration_is_made_of_a_bad_value(cfg, field, value):
    with pytest.raises(BadInput, match=field):
        replace(cfg, **{field: value})


FUNCTIONS = {
    "data of no name": lambda d, p, t: load_data(7),
    "data of an empty name": lambda d, p, t: load_data(""),
    "data of a size in words": lambda d, p, t: load_data("digits", size="16"),
    "data of size 0": lambda d, p, t: load_data("digits", size=0),
    "data of a fractional size": lambda d, p, t: load_data("digits", size=16.5),
    "data of an absurd size": lambda d, p, t: load_data("digits", size=10**6),
    "data config": lambda d, p, t: DataConfig("digits", size="16").load(t),
    "imbalance above 1": lambda d, p, t: make_imbalanced(d.train, 0.5, 2.0),
    "imbalance below 0": lambda d, p, t: make_imbalanced(d.train, -0.5, 1.0),
    "imbalance in words": lambda d, p, t: make_imbalanced(d.train, "a", 1.0),
    "index beyond the class": lambda d, p, t: random_index_per_class(d.train, 10**6, 0),
    "negative index": lambda d, p, t: random_index_per_class(d.train, -1, 0),
    "init": lambda d, p, t: init_images(d.train, "zeros", 0, 0),
    "pixels of ipc 0": lambda d, p, t: init_pixels(d.train, "real", 0, 0),
    "recipe": lambda d, p, t: get_recipe("nope"),
    "recipe of no name": lambda d, p, t: get_recipe(None),
    "protocol": lambda d, p, t: get_protocol("nope"),
    "kind of pool": lambda d, p, t: default_recipe("digits", "sideways"),
    "architecture": lambda d, p, t: build_model("resnet999", 3, 10, 32),
    "architecture of no name": lambda d, p, t: build_model(None, 3, 10, 32),
    "architecture without numbers": lambda d, p, t: build_model("convnet-x-y-batch", 3, 10, 32),
    "norm": lambda d, p, t: build_model("convnet-3-8-weird", 3, 10, 32),
    "absurd width": lambda d, p, t: build_model("convnet-3-99999999-batch", 3, 10, 32),
    "absurd depth": lambda d, p, t: build_model("convnet-99-8-batch", 3, 10, 32),
    "no channels": lambda d, p, t: build_model("convnet-2-8-batch", 0, 10, 32),
    "no classes": lambda d, p, t: build_model("convnet-2-8-batch", 3, 0, 32),
    "an absurd number of classes": lambda d, p, t: build_model("convnet-2-8-batch", 3, 10**9, 32),
    "trajectory of 0 epochs": lambda d, p, t: train_trajectory(d, "convnet-2-8-batch", TrainConfig(0, 8, 0.1), 0),
    "synthesis of ipc 0": lambda d, p, t: synthesize(p, d.train, RECIPE.synthesis, 0),
    "synthesis of fractional ipc": lambda d, p, t: synthesize(p, d.train, RECIPE.synthesis, 1.5),
    "synthesis with many teachers": lambda d, p, t: synthesize(p, d.train, RECIPE.synthesis, 1),
    "a loss that returns nothing": lambda d, p, t: own_loss(p, d, lambda outputs, targets, cfg: None),
    "a loss that returns a tensor": lambda d, p, t: own_loss(p, d, lambda outputs, targets, cfg: outputs.logits.sum()),
    "a loss that returns a number": lambda d, p, t: own_loss(p, d, lambda outputs, targets, cfg: {"a": 1.0}),
    "a loss of real images that are not drawn": lambda d, p, t: own_loss(
        p, d, lambda outputs, targets, cfg: {"a": targets.real.logits.sum()}
    ),
    "dm of ipc 0": lambda d, p, t: distill_dm(d.train, None, 0, 0, DMConfig(iterations=1)),
    "bilevel of ipc 0": lambda d, p, t: distill_bilevel(d.train, None, 0, 0, BilevelConfig(iterations=1)),
    "random real of ipc 0": lambda d, p, t: random_real(d.train, 0, 0),
    "random real beyond the class": lambda d, p, t: random_real(d.train, 10**6, 0),
    "validation without a pool": lambda d, p, t: validate(random_real(d.train, 1, 0), None, d, RECIPE.eval_soft),
    "validation by an unknown protocol": lambda d, p, t: validate(random_real(d.train, 1, 0), None, d, "dmm"),
    "validation of no set": lambda d, p, t: validate([], None, d, RECIPE.eval_hard),
    "run of fractional ipc": lambda d, p, t: distill_dataset(d, RECIPE, 1.5, t / "x"),
    "run of ipc True": lambda d, p, t: distill_dataset(d, RECIPE, True, t / "x"),
    "run of unknown labels": lambda d, p, t: distill_dataset(d, labelled("float64"), 1, t / "x"),
    "run of top 99 labels": lambda d, p, t: distill_dataset(d, labelled("top99"), 1, t / "x"),
    "run of too small a budget": lambda d, p, t: distill_dataset(d, labelled("1B"), 1, t / "x"),
    "run of an unfilled group": lambda d, p, t: distill_dataset(d, synthesized(group_size=2), 3, t / "x"),
    "run with an alternative of many teachers": lambda d, p, t: distill_dataset(
        d, alternative(n_teachers=9), 1, t / "x"
    ),
    "run below a file": lambda d, p, t: distill_dataset(d, RECIPE, 1, __file__ + "/x"),
    "pool below a file": lambda d, p, t: make_pool_folder(d, RECIPE, __file__ + "/x"),
    "forecast of ipc 0": lambda d, p, t: forecast(RECIPE, 0),
    "labels of no kind": lambda d, p, t: label_size("float8", 10),
    "labels of no epoch": lambda d, p, t: plan_storage("float32", 0, 10, 10),
    "pool of nothing": lambda d, p, t: load_pool(t),
    "set of nothing": lambda d, p, t: read_set(t),
    "labels of nothing": lambda d, p, t: load_distilled(t),
    "images of nothing": lambda d, p, t: read_images(t / "none", d.train),
    "score of nothing": lambda d, p, t: score_folder(t / "none", d, RECIPE.eval_hard, None),
    "weights of nothing": lambda d, p, t: load_converged("convnet-2-8-batch", t / "none", d),
    "results of nothing": lambda d, p, t: read_results(t / "results.json"),
    "experiment of nothing": lambda d, p, t: read_experiment(t / "results.json"),
    "json of a folder": lambda d, p, t: read_json(t),
    "table": lambda d, p, t: select_experiments("table9"),
    "column": lambda d, p, t: select_experiments("table1", ["cifar10/7"]),
    "students": lambda d, p, t: next(reproduce([], "", t, t, students=-1)),
    "stages": lambda d, p, t: p.at_stages(7),
    "draw": lambda d, p, t: p.draw(0, 0, 0),
}


def own_loss(pool, data, loss):
    short = replace(RECIPE.synthesis, iterations=1, n_teachers=1)
    return synthesize(pool, data.train, short, 1, extra_loss=loss)


def labelled(kind):
    return replace(RECIPE, eval_soft=replace(RECIPE.eval_soft, labels=kind))


def synthesized(**changes):
    return replace(RECIPE, synthesis=replace(RECIPE.synthesis, **changes))


def alternative(**changes):
    return replace(RECIPE, alternatives={"other": changes})


@pytest.mark.parametrize("call", FUNCTIONS.values(), ids=FUNCTIONS)
def test_no_function_takes_nonsense(call, data, pool, tmp_path):
    with pytest.raises(BadInput) as e:
        call(data, pool, tmp_path)
    assert "\n" not in str(e.value) and not list(tmp_path.iterdir())


# Commands: a folder or file is made, then a command gets it as {}


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, *chunks, data=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def images(folder, names=("a", "b"), n=6, size=16):
    for name in names:
        for i in range(n):
            path = os.path.join(os.fsencode(folder), b"train", os.fsencode(name), b"%d.png" % i)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Image.new("L", (size, size), 20 * i).save(os.fsdecode(path))
    return folder


def with_file(content):
    def make(folder):
        (images(folder) / "train" / "a" / "0.png").write_bytes(content)
        return folder

    return make


def with_fifo(folder):
    os.mkfifo(images(folder) / "train" / "a" / "x.png")
    return folder


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {Path.cwd() / 'evil'}",)


def file_of(content):
    def make(folder):
        folder.mkdir()
        (folder / "w").write_bytes(content() if callable(content) else content)
        return folder / "w"

    return make


def torch_file(value):
    def make(folder):
        folder.mkdir()
        torch.save(value, folder / "w")
        return folder / "w"

    return make


WEIGHTS = "dataset=digits pool=post weights={}"
DISTILL = {
    "ipc 0": (None, "ipc=0"),
    "negative ipc": (None, "ipc=-3"),
    "absurd ipc": (None, "ipc=1000000"),
    "no dataset": (None, "dataset=nope"),
    "negative size": (None, "size=-1"),
    "size 1": (None, "size=1"),
    "absurd size": (None, "size=1000000"),
    "unknown model": (None, "model=resnet999"),
    "absurd width": (None, "model=convnet-3-99999999-batch"),
    "many teachers": (None, "teachers=99"),
    "negative students": (None, "students=-1"),
    "negative epochs": (None, "epochs=-1"),
    "unknown pool": (None, "pool=sideways"),
    "a model beside a pool": (None, "pool=zoo/digits_prior model=convnet-3-32-batch"),
    "out in the folder of the data": (images, "dataset={} out={}/run"),
    "no recipe": (None, "recipe=none.toml"),
    "recipe that is none": (file_of(b"\xff\xff"), "recipe={}"),
    "recipe with an unknown field": (file_of(b"[pool]\nfoo = 1\n"), "recipe={}"),
    "recipe with a bad value": (file_of(b"[synthesis]\niterations = 0\n"), "recipe={}"),
    "recipe of the wrong form": (file_of(b"pool = 3\nsynthesis = [1]\n"), "recipe={}"),
    "out is a file": (file_of(b"x"), "out={}"),
    "out below a file": (file_of(b"x"), "out={}/y"),
    "out in a system folder": (None, "out=/proc/none"),
    "out holds something else": (images, "out={}"),
    "weights without post": (file_of(b"x"), "weights={}"),
    "no weights": (None, WEIGHTS.format("none.pt")),
    "weights of text": (file_of(b"hello"), WEIGHTS),
    "weights of an old pickle": (file_of(lambda: pickle.dumps(Evil(), 0)), WEIGHTS),
    "weights of a new pickle": (torch_file(Evil()), WEIGHTS),
    "weights with whole numbers as names": (torch_file({1: torch.zeros(1)}), WEIGHTS),
    "weights with a 0-d classifier": (torch_file({"classifier.weight": torch.tensor(1.0)}), WEIGHTS),
    "weights with an absurd header": (file_of(struct.pack("<Q", 2**62) + b"{}"), WEIGHTS),
    "an empty folder": (lambda f: f.mkdir() or f, "dataset={}"),
    "one class": (lambda f: images(f, ["a"]), "dataset={}"),
    "one image": (lambda f: images(f, n=1), "dataset={}"),
    "a class named set.json": (lambda f: images(f, ["set.json", "b"]), "dataset={}"),
    "a class that is not UTF-8": (lambda f: images(f, [os.fsdecode(b"a\xff"), "b"]), "dataset={}"),
    "a class with a backslash": (lambda f: images(f, ["a\\b", "b"]), "dataset={}"),
    "text named .png": (with_file(b"hello"), "dataset={}"),
    "an empty .png": (with_file(b""), "dataset={}"),
    "a bomb": (with_file(png(100_000, 100_000)), "dataset={}"),
    "a zTXt bomb": (with_file(png(16, 16, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))))), "dataset={}"),
    "a fifo": (with_fifo, "dataset={}"),
}


def refused(capsys, command, make, options, folder):
    "Call a command in an empty folder; its sentence"
    home = folder / "home"
    home.mkdir()
    os.chdir(home)
    made = make(folder / "made") if make else ""
    given = [o.format(made) for o in options.split()]
    before = sorted(p for p in folder.rglob("*"))
    with pytest.raises(SystemExit) as e:
        cli.run_command(command, [o.removeprefix("table=") if o.startswith("table=") else f"--{o}" for o in given])
    _, err = capsys.readouterr()
    summary = re.compile(r"(training|test|note): |.*\): \d+ classes ")
    lines = [line for line in err.splitlines() if "it/s]" not in line and line.strip() and not summary.match(line)]
    assert e.value.code == 2 and len(lines) == 1 and lines[0].startswith(f"{command}: "), err
    assert sorted(p for p in folder.rglob("*")) == before
    return lines[0]


@pytest.mark.parametrize(("make", "options"), DISTILL.values(), ids=DISTILL)
def test_teddy_distill_refuses_in_a_sentence(make, options, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capsys, "teddy_distill", make, options, tmp_path)


COMMANDS = [
    ("teddy_pool", file_of(b"x"), "out={}/y"),
    ("teddy_pool", images, "out={}"),
    ("teddy_pool", None, "out=/proc/none"),
    ("teddy_pool", images, "dataset={} out={}/train/pool"),
    ("teddy_pool", None, "pool=sideways"),
    ("teddy_pool", None, "dataset=nope"),
    ("teddy_validate", None, "set=nowhere"),
    ("teddy_validate", file_of(b"x"), "set={}"),
    ("teddy_validate", images, "set={} epochs=-1"),
    ("teddy_validate", images, "set={} protocol=table9"),
    ("teddy_validate", images, "set={} labels=top5"),
    ("teddy_validate", images, "set={} labels_from=early"),
    ("teddy_validate", images, "set={} pool=nowhere"),
    ("teddy_validate", images, "set={} out={}"),
    ("teddy_validate", images, "set={} out=/proc/none/x.json"),
    ("teddy_validate", images, "set={} student=resnet999"),
    ("teddy_export", None, "set=nowhere"),
    ("teddy_export", images, "set={}"),
    ("teddy_export", None, "push=me/digits"),
    ("teddy_forecast", None, "pool=nope"),
    ("teddy_forecast", file_of(b"lr = ["), "recipe={}"),
    ("teddy_forecast", file_of(b"[synthesis]\nrate = 1"), "recipe={}"),
    ("teddy_forecast", None, "pool=digits_prior ipc=0"),
    ("teddy_forecast", None, "pool=digits_prior devices=0"),
    ("teddy_reproduce", None, "table=table9"),
    ("teddy_reproduce", None, "table=table1 cells=cifar10/7"),
    ("teddy_reproduce", None, "table=table1 students=-1"),
    ("teddy_reproduce", file_of(b"x"), "table=table1 cells=cifar10/1 out={}"),
    ("teddy_reproduce", file_of(b"x"), "table=table1 cells=cifar10/1 runs={}/y"),
    ("teddy_reproduce", None, "table=table1 cells=cifar10/1 root=nowhere"),
    ("teddy_reproduce", None, "table=table1 cells=cifar10/1 rows=random root=nowhere"),
    ("teddy_submit", None, "table='x"),
    ("teddy_report", None, "folder=nowhere"),
    ("teddy_report", lambda f: file_of(b"{")(f).rename(f / "a.json").parent, "folder={}"),
    ("teddy_report", lambda f: file_of(b"[]")(f).rename(f / "a.json").parent, "folder={}"),
    ("teddy_report", lambda f: file_of(b"[7]")(f).rename(f / "a.json").parent, "folder={}"),
]


@pytest.mark.parametrize(("command", "make", "options"), COMMANDS)
def test_every_command_refuses_in_a_sentence(command, make, options, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capsys, command, make, options, tmp_path)


def change_pool(**changes):
    return lambda folder: change_header(folder / "manifest.safetensors", changes)


def change_teacher(field, value):
    return lambda folder: change_header(next(folder.glob("convnet*")), {field: value})


def change_header(path, changes):
    "Change fields of an item's header, with a digest that is right"
    item, pool = read_item(path), read_item(path.with_name("manifest.safetensors"))
    write_item(path, Item(item.tensors, {**item.metadata, **changes}), pool.metadata["settings"])


MANIFESTS = {  # The page of pools alters every field
    "a path as architecture": change_teacher("arch", "/../../../../victim/evil"),
    "a class that leads out": change_pool(classes=[[0, "../../evil", "0"]]),
    "a teacher that is not there": change_pool(teachers=["evil.safetensors"]),
    "no teachers": change_pool(teachers=[]),
}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS)
def test_a_hostile_pool_is_refused(change, pool, data, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(folder):
        save_pool(pool, folder)
        change(folder)
        return folder

    refused(capsys, "teddy_distill", make, "pool={}", tmp_path)


def test_a_folder_that_vanishes_is_not_rebuilt(data, pool, tmp_path, monkeypatch):
    def synthesize_and_lose(*args, **kwargs):
        shutil.rmtree(tmp_path / "run")
        raise OSError("the disk is gone")

    brief = replace(RECIPE, synthesis=replace(RECIPE.synthesis, n_teachers=1), alternatives=None)
    monkeypatch.setattr("teddy_nb.pipeline.synthesize", synthesize_and_lose)
    with pytest.raises(OSError, match="the disk is gone"):
        distill_dataset(data, brief, 1, tmp_path / "run", pool)
    assert not (tmp_path / "run").exists()
