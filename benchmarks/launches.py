"""Kernels that one recorded step launches, counted without a GPU.

    python benchmarks/launches.py [--case CASE] [--keep]      a JSON line a case; --keep puts them into launches.json

The loss of a teacher and the augmentation are lowered by inductor for an H200 that is not there, and the launches in its code are counted: Triton's kernels
and those of cuDNN and cuBLAS. The rest of the step runs on the CPU, and its operators that are no views count as one launch each. 100 images of 32 pixels.
"""

import argparse
import copy
import json
import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
import torch._inductor.config as inductor
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime.hints import DeviceProperties
from torch._inductor.virtualized import V
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.fx.node import map_aggregate
from torch.fx.passes.fake_tensor_prop import FakeTensorProp
from torch.utils._python_dispatch import TorchDispatchMode

from teddy_nb.config import get_recipe
from teddy_nb.data.augment import apply_affine, sample_affine
from teddy_nb.data.images import ClassInfo, ImageSet
from teddy_nb.matching.engine import Engine, Synthesizer
from teddy_nb.matching.feature_stats import hook_teachers
from teddy_nb.matching.matching_loss import Losses, teacher_loss
from teddy_nb.matching.replay import Replay
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.teachers.training import new_model

ARCHS = {"convnet3-32-bf16": "convnet-3-128-batch", "resnet18-32-bf16": "resnet18-small"}
CUDA, MULTIPROCESSORS = torch.device("cuda", 0), 132
H200 = SimpleNamespace(
    name="NVIDIA H200", major=9, minor=0, multi_processor_count=MULTIPROCESSORS, regs_per_multiprocessor=65536, warp_size=32,
    max_threads_per_multi_processor=2048, max_threads_per_block=1024, total_memory=150 * 2**30, L2_cache_size=50 * 2**20,
    shared_memory_per_block_optin=232448, shared_memory_per_block=49152, shared_memory_per_multiprocessor=233472, gcnArchName="",
)  # fmt: skip
HINTS = DeviceProperties(
    type="cuda", index=0, multi_processor_count=MULTIPROCESSORS, cc=90, major=9, regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048, max_threads_per_block=1024, warp_size=32,
)  # fmt: skip
PRETEND = {
    "torch.cuda.get_device_properties": lambda *a: H200,
    "torch.cuda.is_available": lambda: True,
    "torch.cuda.device_count": lambda: 1,
    "torch.cuda.current_device": lambda: 0,
    "torch.cuda.get_device_capability": lambda *a: (9, 0),
    "torch.cuda.get_device_name": lambda *a: H200.name,
    "torch.cuda.synchronize": lambda *a: None,
    "torch.cuda._lazy_init": lambda: None,
    "torch._inductor.runtime.hints.DeviceProperties.create": classmethod(lambda cls, device: HINTS),
    "torch._dynamo.device_interface.CudaInterface.get_device_properties": staticmethod(lambda *a: H200),
    "torch._dynamo.device_interface.CudaInterface.get_compute_capability": staticmethod(lambda *a: 90),
    "torch._dynamo.device_interface.CudaInterface.is_available": staticmethod(lambda *a: True),
    "torch._inductor.scheduler.has_triton": lambda *a: True,
    "torch.utils._triton.has_triton": lambda *a: True,
    "torch.utils._triton.triton_hash_with_backend": lambda *a: "pretend",
}
TRITON = re.compile(r"^\s+\w*triton_\w+\.run\(", re.MULTILINE)
LIBRARY = re.compile(r"^\s+(?:\w+ = )?(?:extern_kernels\.\w+|torch\.ops\.\w+\.\w+\S*)\(", re.MULTILINE)


def lower(graph: torch.fx.GraphModule, inputs: list) -> int:
    "Lower a graph for the device that is not there; return the launches in its code"
    graph = copy.deepcopy(graph)
    for n in graph.graph.nodes:
        n.kwargs = {**n.kwargs, "device": CUDA} if "device" in n.kwargs else n.kwargs
        n.args = map_aggregate(n.args, lambda a: CUDA if isinstance(a, torch.device) else a)
    graph.recompile()
    with ExitStack() as stack:
        for name, value in PRETEND.items():
            stack.enter_context(mock.patch(name, value))
        mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
        meta = lambda t: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")
        fakes = [FakeTensor(mode, meta(t), CUDA) if isinstance(t, torch.Tensor) else t for t in inputs]
        FakeTensorProp(graph, mode).propagate_dont_convert_inputs(*fakes)
        lowering = GraphLowering(graph, shape_env=mode.shape_env, is_inference=False)
        for handler in (V.set_fake_mode(mode), V.set_graph_handler(lowering), V.set_extern_kernel_nodes([])):
            stack.enter_context(handler)
        stack.enter_context(V.set_debug_handler(mock.MagicMock()))
        lowering.run(*fakes)
        code = lowering.codegen()[0].value
    return len(TRITON.findall(code)) + len(LIBRARY.findall(code))


def launches(f, *args, combo: bool) -> int:
    "Count the launches of `f` and of its gradient with respect to the first tensor that has one"
    counts = []

    def compiler(graph, inputs):
        with torch.no_grad():
            counts.append(lower(graph, inputs))
        return graph

    torch._dynamo.reset()
    backend = aot_autograd(
        fw_compiler=compiler, bw_compiler=compiler, decompositions=select_decomp_table(),
        partition_fn=min_cut_rematerialization_partition,
    )  # fmt: skip
    leaf = next(a for a in args if isinstance(a, torch.Tensor) and a.requires_grad)
    with inductor.patch(combo_kernels=combo, benchmark_combo_kernel=False):
        out = torch.compile(f, backend=backend, dynamic=False)(*args)
        torch.autograd.grad((out.total if isinstance(out, Losses) else out).sum(), leaf)
    return sum(counts)


class Counter(TorchDispatchMode):
    "Counts operators that launch a kernel"

    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        nothing = ("detach", "_unsafe_view", "new_empty", "profiler", "empty.memory_format")
        self.n += not func.is_view and not any(name in str(func) for name in nothing)
        return func(*args, **(kwargs or {}))


class Region(torch.autograd.Function):
    "Stands for a compiled region: no operators, zeros both ways"

    @staticmethod
    def forward(ctx, x, out):
        ctx.zeros = torch.zeros_like(x)
        return out

    @staticmethod
    def backward(ctx, grad):
        return ctx.zeros, None


def around(data: ImageSet, teacher, cfg) -> int:
    "Count the operators of a replayed step around its two compiled regions"
    synth = Synthesizer(
        Engine(Pool("prior", (teacher,), teacher, data.classes, 3, 32, data.mean, data.std), data, cfg), range(1)
    )
    table, seen = torch.zeros(1, 4 + len(synth.group_teachers[0][0].net.layers)), synth.x.detach()
    synth.engine.matching.loss = lambda net, x, **rest: Losses(Region.apply(x, table))
    synth.augment.apply = lambda x, theta: Region.apply(x, seen.view_as(x))
    replay = Replay(synth)
    drawn = replay.draw(range(3))
    replay.step(0, drawn[0])
    with Counter() as counter:
        replay.step(1, drawn[1])
    return counter.n - 2  # The stand-ins' zeros


def count(case: str) -> dict:
    arch = ARCHS[case]
    images = torch.randint(256, (100, 3, 32, 32), dtype=torch.uint8)
    classes = tuple(ClassInfo(i, str(i), str(i)) for i in range(100))
    data = ImageSet("noise", images, torch.arange(100), classes, (0.5,) * 3, (0.25,) * 3)
    cfg = replace(get_recipe("imagenet_prior").synthesis, n_teachers=1, init="noise", compile=False)
    cfg = replace(cfg, augment=replace(cfg.augment, roll=4))
    teacher = make_teacher(new_model(arch, data, 0), arch, 0, 0.1, data)
    (hooked,) = hook_teachers([teacher], data, cfg)
    x, theta = data.normalize(images), sample_affine(cfg.augment, 100, 32, torch.Generator().manual_seed(0))
    made = {"augmentation": launches(apply_affine, x.clone().requires_grad_(), theta.view(100, 2, 4), combo=True)}
    made["around"] = around(data, teacher, cfg)
    given = x.requires_grad_(), data.labels, hooked.targets[0], torch.ones(1), cfg
    made |= {
        k: launches(teacher_loss, hooked.net, *given, combo=on)
        for k, on in (("loss", True), ("loss_one_by_one", False))
    }
    return {
        "case": case,
        "torch": torch.__version__,
        **made,
        "step": sum(made[k] for k in ("augmentation", "around", "loss")),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=ARCHS)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    path = Path(__file__).with_suffix(".json")
    found = json.loads(path.read_text()) if path.exists() else {}
    for case in [args.case] if args.case else ARCHS:
        found[case] = count(case)
        print(json.dumps(found[case]), flush=True)
        if args.keep:
            path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
