"The steps that run thousands of times neither wait for an accelerator nor send it anything: seen on any CPU, from PyTorch's calls alone"

import traceback
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from teddy_nb.config import get_recipe
from teddy_nb.data.augment import AffineConfig
from teddy_nb.data.datasets import load_data
from teddy_nb.matching.engine import Engine, Synthesizer
from teddy_nb.students.labels import make_labels, predict_epoch
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.teachers.training import TrainAugment, make_optimizer, new_model, train_step
from teddy_nb.validation import random_real, soft_loss

WAITS = {Tensor.item, Tensor.tolist, Tensor.cpu, Tensor.numpy, Tensor.nonzero, Tensor.unique, Tensor.bincount,
         Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, torch.nonzero, torch.unique, torch.equal}  # fmt: skip
COPIES = {
    torch.tensor,
    torch.as_tensor,
    torch.from_numpy,
}  # With a device they copy, and wait, where no dispatch mode sees it


def not_a_device_index(index) -> bool:
    "Whether an index is a mask, which must be counted, or a list, which must be copied"
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, list) or isinstance(i, Tensor) and i.dtype == torch.bool for i in parts)


class Stalls(TorchFunctionMode):
    "Collects what would stall, and in which line of the package"

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, f, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        indexed = f in (Tensor.__getitem__, Tensor.__setitem__) and not_a_device_index(args[1])
        counted = f is torch.where and len(args) == 1
        if f in WAITS or indexed or counted or (f in COPIES and kwargs.get("device") is not None):
            ours = [t for t in traceback.extract_stack() if "/teddy_nb/" in t.filename]
            if ours:
                self.seen.append(f"{f.__name__} in {Path(ours[-1].filename).name}: {ours[-1].line}")
        return f(*args, **kwargs)


def assert_no_stalls(work):
    with Stalls() as stalls:
        work()
    assert not stalls.seen, "\n".join(sorted(set(stalls.seen)))


@pytest.fixture(scope="module")
def data():
    return load_data("digits").train


@pytest.fixture(scope="module")
def teachers(data):
    arch = "convnet-2-8-batch"
    return [make_teacher(new_model(arch, data, s), arch, s + 1, 0.5, data) for s in range(2)]


FIELDS = [
    {},
    {"schedule": "cycle"},
    {"augment": AffineConfig()},
    {"augment": "dsa"},
    {"augment": "dsa", "batch_real": 2},
    {"classwise_share": 0.5},
    {"groups_per_batch": 2, "group_size": 2},
    {"batch_size": 4},
    {"precision": "bf16"},
    {"micro_batch": 4},
]


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_a_synthesis_step(data, teachers, fields):
    cfg = replace(get_recipe("digits_prior").synthesis, iterations=50, n_teachers=2, compile=False, **fields)
    pool = Pool("prior", tuple(teachers), teachers[0], data.classes, data.channels, data.size, data.mean, data.std)
    synth = Synthesizer(Engine(pool, data, cfg), range(cfg.group_size * cfg.groups_per_batch))
    inputs = synth.draw(range(4))
    for n in range(2):
        synth.step(n, inputs[n])
    assert_no_stalls(lambda: [synth.step(n, inputs[n]) for n in range(2, 4)])


def steps_after_the_first(batches, step):
    "A function that takes the steps of an epoch but the first, whose inputs are there already"
    step(*next(batches))
    return lambda: [step(*batch) for batch in batches]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_training_of_a_teacher(data, optimizer):
    cfg = replace(get_recipe("digits_prior").pool.training, optimizer=optimizer, batch_size=256)
    model = new_model("convnet-2-8-batch", data, 0).train()
    opt, augment = make_optimizer(model, cfg), TrainAugment(data, cfg.augment, 0)
    batches = augment.batches(0, torch.arange(len(data)), cfg.batch_size)
    step = lambda x, y: train_step(model, opt, torch.nn.functional.cross_entropy, x, y)
    assert_no_stalls(steps_after_the_first(batches, step))


@pytest.mark.parametrize("augmentation", ["affine", "cutmix", "dsa_cutmix"])
def test_the_training_of_a_student_and_its_labels(data, teachers, augmentation):
    cfg = replace(get_recipe("digits_prior").eval_soft, augmentation=augmentation)
    few, last = random_real(data, 4, 0), teachers[-1]
    pool = Pool("prior", tuple(teachers), last, data.classes, data.channels, data.size, data.mean, data.std)
    labels = make_labels(few, pool, replace(cfg, labels="online"))
    labels.of_epoch(0)  # Draws the random numbers of the epoch
    assert_no_stalls(lambda: predict_epoch(labels.augment, pool, cfg.temperature, 0))
    model = new_model("convnet-2-8-batch", few, 0).train()
    opt, loss = make_optimizer(model, cfg.training), soft_loss(cfg.temperature)

    def take_steps():
        for idx in torch.arange(len(few)).split(10):
            train_step(model, opt, loss, *labels(0, idx))

    assert_no_stalls(take_steps)


def test_stalls_are_seen(data):
    with pytest.raises(AssertionError, match="bincount in images.py"):
        assert_no_stalls(lambda: data.counts)
