"""Speed and memory of one synthesis step, with one teacher and a batch of 100 images.

    python benchmarks/synthesis.py                            every case; writes benchmarks/synthesis.json
    python benchmarks/synthesis.py --case resnet18-32-fp32    one case, one JSON line; with --keep, also into the file

Variants run in turn in one process, and medians are reported: the teacher's plain forward and backward to the pixels, eager and
compiled (the floors); SRe2L's step (the peer); our whole step, eager and compiled.
"""

import argparse
import copy
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
import torch_pruning as tp
from fastcore.basics import noop
from torch import Tensor, nn
from torchvision.transforms import RandomHorizontalFlip, RandomResizedCrop

from teddy_nb.bn_matching import Synthesizer
from teddy_nb.config import IMAGENET_SYNTHESIS, SynthesisConfig
from teddy_nb.core import default_device, seeded
from teddy_nb.data.augment import apply_affine, sample_affine
from teddy_nb.data.images import ClassInfo, ImageSet
from teddy_nb.matching.feature_stats import hook_teachers
from teddy_nb.matching.matching_loss import compiled
from teddy_nb.teachers.pool import Teacher, make_teacher
from teddy_nb.teachers.training import new_model

ARCHS = {"convnet3": "convnet-3-128-batch", "resnet18": "resnet18-small"}
BATCH = 100
VIEWS = replace(IMAGENET_SYNTHESIS.augment, roll=4)  # Crop, flip and roll, one of each an image


def noise_set(size: int) -> ImageSet:
    "100 classes of one grey-noise image each"
    with seeded("benchmark", size):
        images = torch.randint(256, (BATCH, 3, size, size), dtype=torch.uint8)
    classes = tuple(ClassInfo(i, str(i), str(i)) for i in range(BATCH))
    constants = (0.5,) * 3, (0.25,) * 3
    return ImageSet("noise", images, torch.arange(BATCH), classes, *constants).to(default_device())


def teacher_of(arch: str, data: ImageSet, seed: int) -> Teacher:
    "A network with random weights, and running statistics that fit them"
    model = new_model(arch, data, seed).train()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = None  # The average of all batches
    with torch.no_grad():
        for _ in range(2):
            model(data.normalize(data.images) + 0.1)
    return make_teacher(model, arch, seed, 0.0, data)


def pruned(teacher: Teacher, data: ImageSet, seed: int, ratio: float = 0.19) -> Teacher:
    "A random third of its multiply-adds less (supplement D.1)"
    model = copy.deepcopy(teacher.model).requires_grad_(True)
    example, importance = torch.zeros(1, 3, data.size, data.size, device=data.device), tp.importance.RandomImportance()
    head = [m for m in model.modules() if isinstance(m, nn.Linear)]
    with seeded("prune", seed):
        tp.pruner.BasePruner(
            model, example, importance, pruning_ratio=ratio * (1 + seed / 20), ignored_layers=head
        ).step()
    return make_teacher(model, teacher.arch, seed, 0.0, data)


def floor(model: nn.Module, x: Tensor, y: Tensor, bf16: bool) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        return F.cross_entropy(model(x), y)


def to_pixels(loss: Callable, model: nn.Module, x: Tensor, y: Tensor, bf16: bool):
    torch.autograd.grad(loss(model, x, y, bf16), x)


class Peer:
    "SRe2L's recover step: hooks, a permuted copy for the variance, a clone of the images and a host sync every step"

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor, bf16: bool, recipe: SynthesisConfig):
        self.model, self.x, self.y, self.bf16 = model, x.clone().requires_grad_(), y, bf16
        self.optimizer = torch.optim.Adam([self.x], recipe.lr, recipe.betas)
        self.augment = nn.Sequential(RandomResizedCrop(x.shape[-1], antialias=True), RandomHorizontalFlip())
        self.low, self.high = x.amin((0, 2, 3), True), x.amax((0, 2, 3), True)
        self.terms, self.weight = {}, recipe.bn_weight
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.register_forward_hook(self.hook)

    def hook(self, module, args, output):
        x = args[0]
        mean = x.mean([0, 2, 3])
        var = x.permute(1, 0, 2, 3).contiguous().reshape(x.shape[1], -1).var(1, unbiased=False)
        self.terms[module] = (module.running_var - var).norm(2) + (module.running_mean - mean).norm(2)

    def step(self):
        up, left = torch.randint(-4, 5, (2,)).tolist()
        shown = torch.roll(self.augment(self.x), (up, left), (2, 3))
        self.optimizer.zero_grad()
        loss = floor(self.model, shown, self.y, self.bf16) + self.weight * sum(self.terms.values())
        loss.backward()
        self.optimizer.step()
        self.x.data = torch.clamp(self.x.data, self.low, self.high)
        self.best, self.cost = self.x.data.clone(), loss.item()


def ours(teachers: list[Teacher], data: ImageSet, recipe: SynthesisConfig, losses: Callable, ask: Callable) -> Callable:
    "Our step, with fresh views; the draw of the views is part of it"
    matcher, n = Synthesizer([teachers], data, recipe, 0, range(1), ask, losses), iter(range(10**9))

    def step():
        i = next(n)
        views, real = matcher.draw([i])
        return matcher.step(i, views[0], real[0])

    return step


def wait(device: torch.device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def in_turn(variants: dict[str, Callable], device: torch.device, rounds: int) -> dict[str, float]:
    "Median seconds of each variant, its first call left out"
    times = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, run in variants.items():
            wait(device)
            start = time.perf_counter()
            run()
            wait(device)
            times[name].append(time.perf_counter() - start)
    return {k: median(v[1:]) for k, v in times.items()}


def parts_of_a_step(teacher: Teacher, data: ImageSet, recipe: SynthesisConfig, rounds: int) -> dict[str, float]:
    "Seconds of the parts around the teacher"
    x = data.normalize(data.images).requires_grad_()
    draw = lambda: sample_affine(VIEWS, BATCH, data.size, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam([x], recipe.lr, recipe.betas, weight_decay=recipe.weight_decay, fused=True)
    theta, x.grad = draw(), torch.zeros_like(x)

    def show():
        shown = apply_affine(x, theta)
        torch.autograd.grad(shown, x, torch.ones_like(shown))

    def clip():
        with torch.no_grad():
            x.clamp_(*data.pixel_range())

    parts = {"draw the views": draw, "warp, both ways": show, "Adam": optimizer.step, "clip": clip}
    return in_turn(parts, data.device, rounds)


def one_teacher(name: str, rounds: int) -> dict:
    "All variants of one network, size and precision"
    arch, size, precision = name.split("-")
    data, bf16 = noise_set(int(size)), precision == "bf16"
    teacher = teacher_of(ARCHS[arch], data, 0)
    recipe = replace(IMAGENET_SYNTHESIS, n_teachers=1, precision=precision, augment=VIEWS)
    layout = torch.channels_last if bf16 else torch.contiguous_format
    plain, hooked = (copy.deepcopy(teacher.model).to(memory_format=layout) for _ in range(2))
    x, y = data.normalize(data.images).contiguous(memory_format=layout).requires_grad_(), data.labels
    quick, ask = torch.compile(floor, dynamic=False), hook_teachers(data, recipe)
    variants = {
        "eager_floor_s": lambda: to_pixels(floor, plain, x, y, bf16),
        "compiled_floor_s": lambda: to_pixels(quick, plain, x, y, bf16),
        "peer_s": Peer(hooked, x.detach(), y, bf16, recipe).step,
        "ours_eager_s": ours([teacher], data, recipe, noop, ask),
        "ours_s": ours([teacher], data, recipe, compiled, ask),
    }
    times = in_turn(variants, data.device, rounds)
    parts = parts_of_a_step(teacher, data, recipe, rounds)
    return {**times, "parts_s": parts, **ratios(times)}


def ratios(times: dict) -> dict:
    us = times["ours_s"]
    return {
        "ours_over_eager_floor": us / times["eager_floor_s"],
        "ours_over_compiled_floor": us / times["compiled_floor_s"],
        "peer_over_ours": times["peer_s"] / us,
    }


def pruned_pool(rounds: int, members: int = 3) -> dict:
    "Three pruned members, which differ in shape: each compiled for itself, or all eager"
    data = noise_set(32)
    recipe = replace(IMAGENET_SYNTHESIS, teachers=members, augment=VIEWS)
    whole = teacher_of(ARCHS["resnet18"], data, 0)
    teachers = [pruned(whole, data, s) for s in range(members)]
    plain, hooked = ([copy.deepcopy(t.model) for t in teachers] for _ in range(2))
    x, y, ask = data.normalize(data.images).requires_grad_(), data.labels, hook_teachers(data, recipe)
    quick = torch.compile(floor, dynamic=False)
    peers = [Peer(m, x.detach(), y, False, recipe) for m in hooked]
    variants = {
        "eager_floor_s": lambda: [to_pixels(floor, m, x, y, False) for m in plain],
        "compiled_floor_s": lambda: [to_pixels(quick, m, x, y, False) for m in plain],
        "peer_s": lambda: [p.step() for p in peers],
        "ours_eager_s": ours(teachers, data, recipe, noop, ask),
        "ours_s": ours(teachers, data, recipe, compiled, ask),
    }
    times = in_turn(variants, data.device, rounds)
    return {**times, "macs": [t.macs for t in teachers], **ratios(times)}


def by_class(rounds: int) -> dict:
    "Statistics matched class by class, with class means of the features, against statistics of all classes together"
    data = noise_set(32)
    teacher = teacher_of(ARCHS["convnet3"], data, 0)
    recipe = replace(IMAGENET_SYNTHESIS, n_teachers=1, augment=VIEWS)
    kinds = {"global_s": recipe, "ours_s": replace(recipe, classwise_share=1.0, class_mean_weight=1.0)}
    steps = {k: ours([teacher], data, r, compiled, hook_teachers(data, r)) for k, r in kinds.items()}
    times = in_turn(steps, data.device, rounds)
    return {**times, "ours_over_global": times["ours_s"] / times["global_s"]}


def memory() -> dict:
    "Peak resident memory of a process that takes three steps with one or with five teachers"
    peaks = {}
    for k in (1, 5):
        done = subprocess.run(
            [sys.executable, __file__, "--steps-with", str(k)], capture_output=True, check=True, text=True
        )
        peaks[k] = int(done.stdout.split()[-1])
    return {"one_teacher_bytes": peaks[1], "five_teachers_bytes": peaks[5], "five_over_one": peaks[5] / peaks[1]}


def steps_synthesis(teachers: int):
    "Three eager steps; the last word printed is the peak memory"
    data = noise_set(64)
    recipe = replace(IMAGENET_SYNTHESIS, teachers=teachers, augment=VIEWS)
    pool = [teacher_of(ARCHS["resnet18"], data, s) for s in range(teachers)]
    step = ours(pool, data, recipe, noop, hook_teachers(data, recipe))
    for _ in range(3):
        step()
    cuda = data.device.type == "cuda"
    print(torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


CASES = [
    "memory",
    *(f"{a}-{s}-{p}" for a in ARCHS for s in (32, 64) for p in ("fp32", "bf16")),
]  # The first while little is held
CASES += ["pruned-32-fp32", "classwise-32-fp32"]


def run(case: str, rounds: int) -> dict:
    torch._dynamo.reset()
    compiled.cache_clear()
    special = {
        "memory": memory,
        "pruned-32-fp32": partial(pruned_pool, rounds),
        "classwise-32-fp32": partial(by_class, rounds),
    }
    made = special.get(case, partial(one_teacher, case, rounds))()
    made = {k: round(v, 4) if isinstance(v, float) else v for k, v in made.items()}
    return {"case": case, "torch": torch.__version__, "rounds": rounds, **made}


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--case", choices=CASES)
    ask.add_argument("--keep", action="store_true", help="put the case into synthesis.json")
    ask.add_argument("--rounds", type=int, default=7, help="times each variant is run")
    ask.add_argument("--steps-with", type=int, help=argparse.SUPPRESS)
    wish = ask.parse_args()
    if wish.steps_with:
        return steps_synthesis(wish.steps_with)
    path = Path(__file__).with_suffix(".json")
    found = {c["case"]: c for c in json.loads(path.read_text())["cases"]} if wish.case else {}
    for case in [wish.case] if wish.case else CASES:
        found[case] = run(case, wish.rounds)
        print(json.dumps(found[case]), flush=True)
    if wish.keep or not wish.case:
        cuda = default_device().type == "cuda"
        name = torch.cuda.get_device_name() if cuda else f"{os.cpu_count()} CPU cores, {platform.machine()}"
        about = {"device": name, "threads": torch.get_num_threads()}
        path.write_text(json.dumps({"about": about, "cases": list(found.values())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
