"""What a GPU, or the pretend one, shows in seconds: gpu_checks.py device | stalls. Prints one JSON object last."""

import json
import sys
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn.functional as F

from teddy_nb.config import get_recipe
from teddy_nb.core.devices import default_device
from teddy_nb.data.augment import AffineConfig
from teddy_nb.data.datasets import load_data
from teddy_nb.matching.engine import Engine, Synthesizer
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


if __name__ == "__main__":
    made = {"device": device, "stalls": stalls}[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(made))
    sys.exit(sys.argv[1] == "stalls" and any(v != "none" for v in made.values()))
