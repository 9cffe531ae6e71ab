"""What one epoch of a student costs beyond the student itself.

    python benchmarks/validation.py                               every case; writes benchmarks/validation.json
    python benchmarks/validation.py --case convnet3-32-ipc10      one case, one JSON line
    python benchmarks/validation.py --case convnet3-32-ipc10-fast the same in bf16, channels last and compiled (floor and ours)
    python benchmarks/validation.py --case seeds-convnet3-32      five students at once by torch.func against one after another

Variants run in turn in one process, and the fastest epoch of each is reported:
floor_s       forward and backward of the student on one resident batch after another; no augmentation, no optimiser
optimizer_s   the steps of AdamW in an epoch, on gradients that lie ready: they cost what the network weighs, however small the images
hard_s        a whole epoch of `fit`: views, class labels, AdamW
stored_s      the same with views, CutMix and stored float32 labels
online_s      the same with labels by three teachers of the student's own size
dataloader_s  the peers' way, in eager single precision: PNG files, PIL transforms, a DataLoader with the better of no or two workers, class labels
"""

import argparse
import copy
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from teddy_nb.config import EvalConfig, TrainConfig, get_protocol
from teddy_nb.core.devices import default_device, seeded
from teddy_nb.data.images import ClassInfo
from teddy_nb.runs.distilled_set import DistilledSet
from teddy_nb.runs.store import Store
from teddy_nb.students.epoch_augment import StudentAugConfig, StudentAugment
from teddy_nb.students.labels import make_labels
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.teachers.training import fit, new_model
from teddy_nb.validation import soft_loss

ARCHS = {"convnet3": "convnet-3-128-batch", "convnet3w32": "convnet-3-32-batch", "resnet18": "resnet18"}
CASES = [f"{a}-32-ipc{n}" for a, n in (("convnet3w32", 10), ("convnet3", 1), ("convnet3", 10), ("resnet18", 10))]
CASES += [f"{a}-32-ipc10-fast" for a in ARCHS]
CASES += ["seeds-convnet3w32-16", "seeds-convnet3-32"]
EPOCHS = 3  # Of one call of `fit`, so that its start counts little


def noise_set(size: int, ipc: int) -> DistilledSet:
    "Ten classes of smooth noise, which PNG compresses about as well as photographs"
    with seeded("benchmark", size, ipc):
        coarse = torch.rand(10 * ipc, 3, size // 4, size // 4)
        images = F.interpolate(coarse, size=size, mode="bilinear") * 255 + 8 * torch.rand(10 * ipc, 3, size, size)
    classes = tuple(ClassInfo(i, str(i), str(i)) for i in range(10))
    labels = torch.arange(10).repeat_interleave(ipc)
    constants = (0.5,) * 3, (0.25,) * 3
    return DistilledSet("noise", images.clamp(0, 255).to(torch.uint8), labels, classes, *constants).to(default_device())


def floor(model: torch.nn.Module, data: DistilledSet, training: TrainConfig) -> Callable:
    layout = torch.channels_last if training.precision == "bf16" else torch.contiguous_format
    batches = [(data.normalize(x).to(memory_format=layout), y) for _, x, y in data.batches(training.batch_size)]
    learner = model.to(memory_format=layout)
    learner = torch.compile(learner, dynamic=False) if training.compile else learner

    def epochs():
        model.train()
        for _ in range(EPOCHS):
            for x, y in batches:
                model.zero_grad()
                with torch.autocast(x.device.type, torch.bfloat16, enabled=training.precision == "bf16"):
                    loss = F.cross_entropy(learner(x), y)
                loss.backward()

    return epochs


def optimizer(model: torch.nn.Module, data: DistilledSet, training: TrainConfig) -> Callable:
    adamw = torch.optim.AdamW(model.parameters(), training.lr, weight_decay=training.weight_decay, fused=True)
    F.cross_entropy(model(data.normalize(data.images[:10])), data.labels[:10]).backward()
    steps = EPOCHS * math.ceil(len(data) / training.batch_size)
    return lambda: [adamw.step() for _ in range(steps)]


def ours(model: torch.nn.Module, data: DistilledSet, recipe: EvalConfig, labels: Callable | None) -> Callable:
    get_batch = labels or StudentAugment(data, StudentAugConfig.from_eval(recipe, 0))
    loss = soft_loss(1.0) if labels else F.cross_entropy
    return lambda: fit(model, data, recipe.training, 0, get_batch, loss)


def peer(model: torch.nn.Module, data: DistilledSet, recipe: EvalConfig, folder: Path, workers: int) -> Callable:
    look = transforms.Compose(
        [
            transforms.RandomResizedCrop(data.size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    keep = {"num_workers": workers, "persistent_workers": workers > 0}
    loader = DataLoader(ImageFolder(folder, look), recipe.training.batch_size, shuffle=True, **keep)
    optimizer = torch.optim.AdamW(model.parameters(), 0.001)

    def epochs():
        model.train()
        for _ in range(EPOCHS):
            for x, y in loader:
                loss = F.cross_entropy(model(x.to(data.device)), y.to(data.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return epochs


def in_turn(variants: dict[str, Callable], rounds: int) -> dict[str, float]:
    "Seconds of an epoch of each variant, the fastest of all rounds: what else runs on the machine only ever adds"
    times = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, run in variants.items():
            start = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append((time.perf_counter() - start) / EPOCHS)
    return {name: min(t[1:]) for name, t in times.items()}


def several_seeds(arch: str, size: str, rounds: int, students: int = 5) -> dict:
    "Steps of five students on ten images: one student after another, and stacked by torch.func"
    data = noise_set(int(size), 1)
    x, y = data.normalize(data.images), data.labels
    models = [new_model(ARCHS[arch], data, s) for s in range(students)]
    stacked, buffers = stack_module_state([new_model(ARCHS[arch], data, s) for s in range(students)])
    empty = copy.deepcopy(models[0]).to("meta")
    each = vmap(lambda p, b: F.cross_entropy(functional_call(empty, (p, b), (x,)), y))
    optimizers = [torch.optim.AdamW(m.parameters(), 0.001) for m in models]
    together = torch.optim.AdamW(stacked.values(), 0.001)

    def take(losses: Callable, optimizer: torch.optim.Optimizer):
        optimizer.zero_grad()
        losses().sum().backward()
        optimizer.step()

    def one_by_one():
        for _ in range(EPOCHS):
            for m, o in zip(models, optimizers, strict=True):
                take(lambda m=m: F.cross_entropy(m(x), y), o)

    def at_once():
        for _ in range(EPOCHS):
            take(lambda: each(stacked, buffers), together)

    times = in_turn({"one_by_one_s": one_by_one, "at_once_s": at_once}, rounds)
    return {**times, "one_by_one_over_at_once": times["one_by_one_s"] / times["at_once_s"]}


def run(case: str, rounds: int) -> dict:
    made = several_seeds(*case.split("-")[1:], rounds) if case.startswith("seeds") else one_epoch(case, rounds)
    return {"case": case, **{k: round(v, 4) for k, v in made.items()}}


def one_epoch(case: str, rounds: int) -> dict:
    arch, size, ipc, *fast = case.split("-")
    data = noise_set(int(size), int(ipc.removeprefix("ipc")))
    training = replace(
        get_protocol("d3-tiny_imagenet").training,
        epochs=EPOCHS,
        precision="bf16" if fast else "fp32",
        compile=bool(fast),
    )
    recipe = EvalConfig(ARCHS[arch], training, "float32")
    hard = replace(recipe, labels="hard", augmentation="affine")
    student = lambda: new_model(recipe.student, data, 0)
    teachers = tuple(make_teacher(new_model(recipe.student, data, s), recipe.student, s, 0.1, data) for s in range(3))
    pool = Pool("prior", teachers, teachers[-1], data.classes, data.channels, data.size, data.mean, data.std)
    online = make_labels(data, pool, replace(recipe, labels="online"))
    with tempfile.TemporaryDirectory() as d:
        data.to("cpu").save(Path(d) / "set")
        stored = make_labels(data, pool, recipe, Store(Path(d) / "labels"))
        variants = {
            "floor_s": floor(student(), data, training),
            "optimizer_s": optimizer(student(), data, training),
            "hard_s": ours(student(), data, hard, None),
            "stored_s": ours(student(), data, recipe, stored),
            "online_s": ours(student(), data, recipe, online),
            "dataloader_s": peer(student(), data, hard, Path(d) / "set", 0),
            "dataloader_2_workers_s": peer(student(), data, hard, Path(d) / "set", 2),
        }
        times = in_turn(variants, rounds)
    times["dataloader_s"] = min(times["dataloader_s"], times.pop("dataloader_2_workers_s"))
    ratios = {f"{k}_over_floor": times[f"{k}_s"] / times["floor_s"] for k in ("hard", "stored", "online")}
    both = times["floor_s"] + times["optimizer_s"]
    ratios |= {f"{k}_over_floor_and_optimizer": times[f"{k}_s"] / both for k in ("hard", "stored")}
    ratios["dataloader_over_hard"] = times["dataloader_s"] / times["hard_s"]
    return {**times, **ratios}


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--case", choices=CASES)
    ask.add_argument("--rounds", type=int, default=5, help="times each variant is run")
    wish = ask.parse_args()
    lines = []
    for case in [wish.case] if wish.case else CASES:
        lines.append(run(case, wish.rounds))
        print(json.dumps(lines[-1]), flush=True)
    if not wish.case:
        cuda = torch.cuda.is_available()
        name = torch.cuda.get_device_name() if cuda else f"{os.cpu_count()} CPU cores, {platform.machine()}"
        about = {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__, "rounds": wish.rounds}
        Path(__file__).with_suffix(".json").write_text(json.dumps({"about": about, "cases": lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
