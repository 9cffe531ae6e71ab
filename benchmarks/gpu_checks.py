"""What a GPU, or the pretend one, shows in seconds: gpu_checks.py device | stalls | graphs ARCHITECTURE. Prints one JSON object last."""

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import median
from time import perf_counter
from unittest import mock

import torch
import torch.nn.functional as F

from teddy_nb.config import get_recipe
from teddy_nb.core.devices import can_compile, default_device
from teddy_nb.data.augment import AffineConfig
from teddy_nb.data.datasets import class_manifest, load_data
from teddy_nb.data.images import ImageSet
from teddy_nb.matching.engine import Engine, Synthesizer
from teddy_nb.matching.matching_loss import maybe_compile
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.teachers.training import TrainAugment, make_optimizer, new_model, train_step

DEVICE = default_device()


@contextmanager
def no_waits():
    "Raise where the block waits for the device: as CUDA reports it, or as the pretend accelerator counts it"
    if DEVICE.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
    else:
        import simgpu

        simgpu.C.reset()
        yield
        quiet = ("op ", "D2D", "H2D pinned, non-blocking", "D2H non-blocking")
        if seen := [k for k in simgpu.C.counts() if not k.startswith(quiet)]:
            raise RuntimeError(f"the step waits: {', '.join(seen)}")


def device() -> dict:
    "What runs here, and by which rules"
    found = {
        "torch": torch.__version__,
        "device": str(DEVICE),
        "matmul_precision": torch.get_float32_matmul_precision(),
    }
    if DEVICE.type == "cuda":
        p = torch.cuda.get_device_properties(0)
        found |= {"name": p.name, "memory": p.total_memory, "cuda": torch.version.cuda}
        found |= {"cudnn_tf32": torch.backends.cudnn.allow_tf32, "matmul_tf32": torch.backends.cuda.matmul.allow_tf32}
    return found


def synthesizer(data, arch, cfg, indices, compile=False):
    models = [new_model(arch, data, s) for s in range(cfg.n_teachers)]
    teachers = tuple(make_teacher(m, arch, s + 1, 0.5, data) for s, m in enumerate(models))
    pool = Pool("prior", teachers, teachers[0], data.classes, data.channels, data.size, data.mean, data.std)
    return Synthesizer(Engine(pool, data, replace(cfg, compile=compile)), indices)


def synthesis_stalls(data, fields) -> str:
    cfg = replace(get_recipe("digits_prior").synthesis, iterations=50, n_teachers=2, compile=False, **fields)
    synth = synthesizer(data, "convnet-2-8-batch", cfg, range(cfg.group_size * cfg.groups_per_batch))
    inputs = synth.draw(range(4))
    return repeat_quietly(lambda n: synth.step(n, inputs[n]))


def training_stalls(data, precision) -> str:
    cfg = replace(get_recipe("digits_prior").pool.training, precision=precision)
    model = new_model("convnet-2-8-batch", data, 0)
    if precision == "bf16":
        model.to(memory_format=torch.channels_last)
    optimizer, augment, idx = (
        make_optimizer(model, cfg),
        TrainAugment(data, cfg.augment, 0),
        torch.arange(64, device=DEVICE),
    )
    augment.theta(0)

    def step(n):
        x = augment.apply(0, idx, data.normalize(data.take(idx)))
        train_step(model, optimizer, F.cross_entropy, x, data.labels[idx], precision)

    return repeat_quietly(step)


def repeat_quietly(step) -> str:
    "Two steps as they come, then two that may not wait"
    for n in range(2):
        step(n)
    try:
        with no_waits():
            for n in range(2, 4):
                step(n)
    except RuntimeError as e:
        return str(e)[:200]
    return "none"


def stalls() -> dict:
    "Which steps wait for the device, and where"
    data = load_data("digits").to(DEVICE).train
    fields = [
        {},
        {"schedule": "cycle"},
        {"augment": AffineConfig()},
        {"augment": "dsa"},
        {"augment": "dsa", "batch_real": 2},
    ]
    fields += [{"classwise_share": 0.5}, {"batch_size": 4}, {"precision": "bf16"}, {"micro_batch": 4}]
    found = {f"synthesis {f}": synthesis_stalls(data, f) for f in fields}
    return {**found, **{f"training {p}": training_stalls(data, p) for p in ("fp32", "bf16")}}


def graphs(arch: str) -> dict:
    "Seconds of a synthesis step of 100 images in bf16: eager, compiled, and compiled with CUDA graphs"
    images = torch.zeros(100, 3, 32, 32, dtype=torch.uint8)
    about = class_manifest([*map(str, range(100))]), (0.5,) * 3, (0.25,) * 3
    data = ImageSet("black", images, torch.arange(100), *about).to(DEVICE)
    cfg = replace(get_recipe("tiny_imagenet_prior").synthesis, precision="bf16", init="noise", compile=False)
    kinds = {"eager_s": None}
    if can_compile() and DEVICE.type != "simgpu":
        kinds |= {"compiled_s": {}, "reduce_overhead_s": {"mode": "reduce-overhead"}}
    return {"case": arch, **{name: step_seconds(data, arch, cfg, how) for name, how in kinds.items()}}


def step_seconds(data, arch, cfg, how) -> float | str:
    "The median, or what PyTorch says against these steps: CUDA graphs overwrite the losses that a step keeps"
    torch._dynamo.reset()
    maybe_compile.cache_clear()
    with mock.patch("torch.compile", partial(torch.compile, **(how or {}))):
        synth, times = synthesizer(data, arch, cfg, range(1), how is not None), []
        try:
            for n, args in enumerate(synth.draw(range(24 if DEVICE.type == "cuda" else 3))):
                begin = perf_counter()
                synth.step(n, args)
                if DEVICE.type != "cpu":
                    torch.accelerator.synchronize()
                times.append(perf_counter() - begin)
        except RuntimeError as e:
            if "CUDAGraphs" not in str(e):
                raise
            return str(e).partition(". Stack trace")[0]
    return round(median(times[len(times) // 3 :]), 5)


if __name__ == "__main__":
    made = {"device": device, "stalls": stalls, "graphs": graphs}[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(made))
    sys.exit(sys.argv[1] == "stalls" and any(v != "none" for v in made.values()))
