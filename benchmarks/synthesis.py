"""Speed and memory of one synthesis step, with one teacher and a batch of 100 images.

    python benchmarks/synthesis.py                            every case; writes benchmarks/synthesis.json
    python benchmarks/synthesis.py --case resnet18-32-fp32    one case, one JSON line; with --keep, also into the file

Variants run in turn in one process. Seconds a step are reported twice: `wait`, medians with a wait for the device on both sides, and under `run_s` steps
in a row with one wait at the end, as a chunk of fifty has it. The variants: the teacher's plain forward and backward to the pixels, eager and
compiled (the floors); SRe2L's step (the peer); our whole step, eager and compiled.
"""

import argparse
import copy
import itertools
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
from torch import Tensor, nn
from torchvision.transforms import RandomHorizontalFlip, RandomResizedCrop

from teddy_nb.config import SynthesisConfig, get_recipe
from teddy_nb.core.devices import default_device, seeded
from teddy_nb.data.augment import apply_affine, sample_affine
from teddy_nb.data.images import ClassInfo, ImageSet
from teddy_nb.matching.engine import CHECK_EVERY, Engine, Synthesizer
from teddy_nb.matching.matching_loss import maybe_compile
from teddy_nb.matching.replay import quickest
from teddy_nb.reproduce.tables import read_table
from teddy_nb.teachers.pool import Pool, Teacher, make_teacher
from teddy_nb.teachers.training import new_model

ARCHS = {"convnet3": "convnet-3-128-batch", "resnet18": "resnet18-small"}
BATCH = 100
IMAGENET_SYNTHESIS = replace(get_recipe("imagenet_prior").synthesis, precision="fp32")
AUGMENT = replace(IMAGENET_SYNTHESIS.augment, roll=4)  # Crop, flip and roll, one of each an image


def noise_set(size: int, n_classes: int = BATCH, each: int = 1) -> ImageSet:
    "Classes of grey-noise images"
    n = n_classes * each
    with seeded("benchmark", size):
        images = torch.randint(256, (n, 3, size, size), dtype=torch.uint8)
    classes = tuple(ClassInfo(i, str(i), str(i)) for i in range(n_classes))
    constants = (0.5,) * 3, (0.25,) * 3
    return ImageSet("noise", images, torch.arange(n) % n_classes, classes, *constants).to(default_device())


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

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor, bf16: bool, cfg: SynthesisConfig):
        self.model, self.x, self.y, self.bf16 = model, x.clone().requires_grad_(), y, bf16
        self.optimizer = torch.optim.Adam([self.x], cfg.lr, cfg.betas)
        self.augment = nn.Sequential(RandomResizedCrop(x.shape[-1], antialias=True), RandomHorizontalFlip())
        self.low, self.high = x.amin((0, 2, 3), True), x.amax((0, 2, 3), True)
        self.terms, self.weight = {}, cfg.bn_weight
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
        x_aug = torch.roll(self.augment(self.x), (up, left), (2, 3))
        self.optimizer.zero_grad()
        loss = floor(self.model, x_aug, self.y, self.bf16) + self.weight * sum(self.terms.values())
        loss.backward()
        self.optimizer.step()
        self.x.data = torch.clamp(self.x.data, self.low, self.high)
        self.best, self.cost = self.x.data.clone(), loss.item()


def ours(teachers: list[Teacher], data: ImageSet, cfg: SynthesisConfig, compile: bool) -> Callable:
    "Our step, with fresh augmentation; drawing it is part of the step"
    pool = Pool("prior", tuple(teachers), teachers[0], data.classes, data.channels, data.size, data.mean, data.std)
    synth = Synthesizer(Engine(pool, data, replace(cfg, compile=compile)), range(cfg.group_size))
    stepper, steps, drawn = quickest(synth), itertools.count(), []

    def step():
        n = next(steps)
        if not drawn:  # On a CPU drawing is part of the step, on CUDA the chunk's is part of its first one
            drawn.extend(stepper.draw(range(n, n + (CHECK_EVERY if data.device.type == "cuda" else 1))))
        return stepper.step(n, drawn.pop(0))

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


def in_a_row(variants: dict[str, Callable], device: torch.device, rounds: int) -> dict[str, float]:
    "Seconds a step of each variant, with one wait for fifty steps, or for as many as there are rounds on a CPU"
    n, times = CHECK_EVERY if device.type == "cuda" else rounds, {}
    for name, run in variants.items():
        wait(device)
        start = time.perf_counter()
        for _ in range(n):
            run()
        wait(device)
        times[name] = round((time.perf_counter() - start) / n, 5)
    return times


def parts_of_a_step(teacher: Teacher, data: ImageSet, cfg: SynthesisConfig, rounds: int) -> dict[str, float]:
    "Seconds of the parts around the teacher"
    x = data.normalize(data.images).requires_grad_()
    draw = lambda: sample_affine(AUGMENT, BATCH, data.size, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam([x], cfg.lr, cfg.betas, weight_decay=cfg.weight_decay, fused=True)
    theta, x.grad = draw(), torch.zeros_like(x)

    def augment():
        x_aug = apply_affine(x, theta)
        torch.autograd.grad(x_aug, x, torch.ones_like(x_aug))

    def clip():
        with torch.no_grad():
            x.clamp_(*data.pixel_range())

    parts = {"draw the augmentation": draw, "augment, both ways": augment, "Adam": optimizer.step, "clip": clip}
    return in_turn(parts, data.device, rounds)


def one_teacher(name: str, rounds: int) -> dict:
    "All variants of one network, size and precision"
    arch, size, precision = name.split("-")
    data, bf16 = noise_set(int(size)), precision == "bf16"
    teacher = teacher_of(ARCHS[arch], data, 0)
    cfg = replace(IMAGENET_SYNTHESIS, n_teachers=1, precision=precision, augment=AUGMENT)
    layout = torch.channels_last if bf16 else torch.contiguous_format
    plain, hooked = (copy.deepcopy(teacher.model).to(memory_format=layout) for _ in range(2))
    x, y = data.normalize(data.images).contiguous(memory_format=layout).requires_grad_(), data.labels
    quick = torch.compile(floor, dynamic=False)
    variants = {
        "eager_floor_s": lambda: to_pixels(floor, plain, x, y, bf16),
        "compiled_floor_s": lambda: to_pixels(quick, plain, x, y, bf16),
        "peer_s": Peer(hooked, x.detach(), y, bf16, cfg).step,
        "ours_eager_s": ours([teacher], data, cfg, False),
        "ours_s": ours([teacher], data, cfg, True),
    }
    times = in_turn(variants, data.device, rounds)
    row, parts = in_a_row(variants, data.device, rounds), parts_of_a_step(teacher, data, cfg, rounds)
    return {**times, "run_s": row, "parts_s": parts, **ratios(times)}


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
    cfg = replace(IMAGENET_SYNTHESIS, n_teachers=members, augment=AUGMENT)
    whole = teacher_of(ARCHS["resnet18"], data, 0)
    teachers = [pruned(whole, data, s) for s in range(members)]
    plain, hooked = ([copy.deepcopy(t.model) for t in teachers] for _ in range(2))
    x, y = data.normalize(data.images).requires_grad_(), data.labels
    quick = torch.compile(floor, dynamic=False)
    peers = [Peer(m, x.detach(), y, False, cfg) for m in hooked]
    variants = {
        "eager_floor_s": lambda: [to_pixels(floor, m, x, y, False) for m in plain],
        "compiled_floor_s": lambda: [to_pixels(quick, m, x, y, False) for m in plain],
        "peer_s": lambda: [p.step() for p in peers],
        "ours_eager_s": ours(teachers, data, cfg, False),
        "ours_s": ours(teachers, data, cfg, True),
    }
    times = in_turn(variants, data.device, rounds)
    return {**times, "macs": [t.macs for t in teachers], **ratios(times)}


def by_class(rounds: int) -> dict:
    "Statistics matched class by class, with class means of the features, against statistics of all classes together"
    data = noise_set(32)
    teacher = teacher_of(ARCHS["convnet3"], data, 0)
    cfg = replace(IMAGENET_SYNTHESIS, n_teachers=1, augment=AUGMENT)
    kinds = {"global_s": cfg, "ours_s": replace(cfg, classwise_share=1.0, class_mean_weight=1.0)}
    steps = {k: ours([teacher], data, c, True) for k, c in kinds.items()}
    times = in_turn(steps, data.device, rounds)
    return {**times, "ours_over_global": times["ours_s"] / times["global_s"]}


def stored_means(rounds: int) -> dict:
    "DM + weak CE at ten images per class: class means of 64 fresh real images at every step, against stored ones"
    data = noise_set(32, n_classes=10, each=100)
    fresh, stored = (read_table(f"table3_instance/cifar10/10/{row}")[0] for row in ("ours", "ours_stored"))
    teacher = teacher_of(fresh.teachers.model, data, 0)
    kinds = {"fresh_s": replace(fresh.method_cfg, n_teachers=1)}
    kinds["stored_s"] = replace(stored.method_cfg, n_teachers=1, n_extractors=1)
    steps = {k: ours([teacher], data, c, True) for k, c in kinds.items()}
    times = in_turn(steps, data.device, rounds)
    return {**times, "fresh_over_stored": times["fresh_s"] / times["stored_s"]}


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
    cfg = replace(IMAGENET_SYNTHESIS, n_teachers=teachers, augment=AUGMENT)
    pool = [teacher_of(ARCHS["resnet18"], data, s) for s in range(teachers)]
    step = ours(pool, data, cfg, False)
    for _ in range(3):
        step()
    cuda = data.device.type == "cuda"
    print(torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


CASES = [
    "memory",
    *(f"{a}-{s}-{p}" for a in ARCHS for s in (32, 64) for p in ("fp32", "bf16")),
]  # The first while little is held
CASES += ["pruned-32-fp32", "classwise-32-fp32", "stored-32-bf16"]


def run(case: str, rounds: int) -> dict:
    torch._dynamo.reset()
    maybe_compile.cache_clear()
    special = {
        "memory": memory,
        "pruned-32-fp32": partial(pruned_pool, rounds),
        "classwise-32-fp32": partial(by_class, rounds),
        "stored-32-bf16": partial(stored_means, rounds),
    }
    made = special.get(case, partial(one_teacher, case, rounds))()
    made = {k: round(v, 4) if isinstance(v, float) else v for k, v in made.items()}
    load = round(os.getloadavg()[0], 1)  # Of everything on the machine: beside other work only ratios mean anything
    return {"case": case, "torch": torch.__version__, "rounds": rounds, "load": load, **made}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--keep", action="store_true", help="put the case into synthesis.json")
    parser.add_argument("--rounds", type=int, default=7, help="times each variant is run")
    parser.add_argument("--steps-with", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.steps_with:
        return steps_synthesis(args.steps_with)
    path = Path(__file__).with_suffix(".json")
    found = {c["case"]: c for c in json.loads(path.read_text())["cases"]} if args.case else {}
    for case in [args.case] if args.case else CASES:
        found[case] = run(case, args.rounds)
        print(json.dumps(found[case]), flush=True)
    if args.keep or not args.case:
        cuda = default_device().type == "cuda"
        name = torch.cuda.get_device_name() if cuda else f"{os.cpu_count()} CPU cores, {platform.machine()}"
        about = {"device": name, "threads": torch.get_num_threads()}
        path.write_text(json.dumps({"about": about, "cases": list(found.values())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
