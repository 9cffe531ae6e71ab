"""What a GPU does with Teddy's steps, in one go: the floor, the plain step, and the recorded one.

    python benchmarks/gpu_probe.py [SECONDS=230] [--small]      JSON lines, most telling first; stops in time; a table last

ms figures: `wait` = one step with a synchronisation on both sides, `run` = steps in a row, one wait at the end, `host` = what the host took for them.
"""

import copy
import itertools
import json
import sys
import time
import warnings
from dataclasses import replace
from statistics import median
from unittest import mock

BEGIN = time.monotonic()
LIMIT = next((float(a) for a in sys.argv[1:] if a[0].isdigit()), 230.0)
warnings.filterwarnings("ignore", category=FutureWarning)

import torch
import torch.nn.functional as F
import tqdm.auto

tqdm.auto.tqdm = lambda it, *a, **k: it  # No bars
from teddy_nb.bn_matching import synth_block
from teddy_nb.config import get_recipe
from teddy_nb.core.devices import default_device
from teddy_nb.data.images import ClassInfo, ImageSet
from teddy_nb.matching.engine import CHECK_EVERY, Engine, Synthesizer
from teddy_nb.matching.matching_loss import maybe_compile
from teddy_nb.matching.replay import Replay
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.teachers.training import new_model

DEVICE = default_device()
CUDA = DEVICE.type == "cuda"
IMAGENET_SYNTHESIS = get_recipe("imagenet_prior").synthesis
AUGMENT = replace(IMAGENET_SYNTHESIS.augment, roll=4)
TABLE = []


def wait():
    if CUDA:
        torch.cuda.synchronize()


def left():
    return LIMIT - (time.monotonic() - BEGIN)


def say(**what):
    TABLE.append(what)
    print(json.dumps({"t": round(time.monotonic() - BEGIN, 1), **what}), flush=True)


def timed(run, n=30):
    "Milliseconds of `run`: waited for each time, and in a row"
    for _ in range(3):
        run()
    wait()
    singles = []
    for _ in range(n // 2):
        begin = time.perf_counter()
        run()
        wait()
        singles.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    for _ in range(n):
        run()
    host = time.perf_counter() - begin
    wait()
    return {
        "wait": round(1e3 * median(singles), 3),
        "run": round(1e3 * (time.perf_counter() - begin) / n, 3),
        "host": round(1e3 * host / n, 3),
    }


def graphed(run):
    "`run` as one CUDA graph; its outputs stay alive with it"
    if not CUDA:
        return run
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()
    graph.kept = kept
    return graph.replay


def fresh():
    torch._dynamo.reset()
    maybe_compile.cache_clear()


def noise(size, classes, each=1):
    images = torch.randint(256, (classes * each, 3, size, size), dtype=torch.uint8)
    infos = tuple(ClassInfo(i, str(i), str(i)) for i in range(classes))
    return ImageSet("noise", images, torch.arange(classes * each) % classes, infos, (0.5,) * 3, (0.25,) * 3).to(DEVICE)


def teachers_of(arch, data, k):
    made = []
    for s in range(k):
        model = new_model(arch, data, s).train()
        for m in model.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                m.momentum = None
        with torch.no_grad():
            model(data.normalize(data.images[:128]) + 0.1)
        made.append(make_teacher(model, arch, s + 1, 0.5, data))
    return made


def pool_of(teachers, data):
    return Pool("prior", tuple(teachers), teachers[0], data.classes, data.channels, data.size, data.mean, data.std)


def synthesizer(teachers, data, cfg, groups=1):
    return Synthesizer(Engine(pool_of(teachers, data), data, cfg), range(groups))


def attempt(label, case, make, n=30):
    "Time what `make` returns, unless time is short (a compilation takes half a minute); an error is a result too"
    if left() < (35 if "compiled" in label and CUDA else 6):
        return say(case=case, what=label, skipped="no time left")
    try:
        begin = time.monotonic()
        run = make()
        run()
        wait()
        ready = time.monotonic() - begin
        say(case=case, what=label, **timed(run, n), ready_s=round(ready, 1))
    except Exception as e:  # noqa: BLE001
        say(case=case, what=label, error=f"{type(e).__name__}: {str(e)[:300]}")
    if CUDA:
        torch.cuda.empty_cache()


def synthesis(arch, size, classes, precision, compiled, k=1, groups=1, n=30, only=None, **fields):
    "Floor, engine and graphs of one network, size and batch"
    case = f"{arch} {size}px {classes} classes x {groups} {precision} k={k}"
    data = noise(size, classes)
    teachers, bf16 = teachers_of(arch, data, k), precision == "bf16"
    cfg = replace(
        IMAGENET_SYNTHESIS,
        n_teachers=k,
        precision=precision,
        augment=AUGMENT,
        init="noise",
        iterations=10_000,
        groups_per_batch=groups,
        batch_size=max(classes, 100),
        micro_batch=0,
        **fields,
    )
    layout = torch.channels_last if bf16 else torch.contiguous_format
    plain = copy.deepcopy(teachers[0].model).to(memory_format=layout)
    x = data.normalize(data.images).repeat(groups, 1, 1, 1).contiguous(memory_format=layout).requires_grad_()
    y = data.labels.repeat(groups)

    def loss(model, x):
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16):
            return F.cross_entropy(model(x), y)

    def floor(f):
        return lambda: torch.autograd.grad(f(plain, x), x)

    def synth(compile):
        return synthesizer(teachers, data, replace(cfg, compile=compile), groups)

    def engine(compile, static=False):
        made = Replay(synth(compile)) if static else synth(compile)
        numbers, drawn = itertools.count(), []

        def step():
            n = next(numbers)
            if not drawn:
                drawn.extend(made.draw(range(n, n + CHECK_EVERY)))
            return made.step(n, drawn.pop(0))

        return step

    eager = {"floor eager": lambda: floor(loss), "floor eager, graph": lambda: graphed(floor(loss))}
    eager |= {"step eager": lambda: engine(False), "step eager, recorded": lambda: engine(False, True)}
    quick = {"floor compiled": lambda: floor(torch.compile(loss, dynamic=False)), "step compiled": lambda: engine(True)}
    quick |= {"floor compiled, graph": lambda: graphed(floor(torch.compile(loss, dynamic=False)))}
    quick |= {"step compiled, recorded": lambda: engine(True, True)}
    for label, make in {**eager, **(quick if compiled else {})}.items():
        if only is None or label in only:
            attempt(label, case, make, n)
    if compiled and only and "combo" in only:
        import torch._inductor.config as ic

        fresh()
        with ic.patch(combo_kernels=True):
            attempt("step compiled, recorded, combo", case, lambda: engine(True, True), n)
    fresh()


def small_costs():
    "What a launch, a graph, a node and a backward cost on this host"
    a, n = torch.zeros(1, device=DEVICE), 1000
    say(what="eager op", **timed(lambda: [a.add_(1) for _ in range(n)], 4), per=n)
    say(what="graph of 1000 nodes", **timed(graphed(lambda: [a.add_(1) for _ in range(n)]), 20), per=n)
    say(what="graph of 1 node", **timed(graphed(lambda: a.add_(1)), 200))
    b = torch.zeros(1, device=DEVICE, requires_grad=True)
    say(what="forward and backward of one op", **timed(lambda: torch.autograd.grad(b * 2, b), 200))
    say(what="copy 100 floats to the device, pageable", **timed(lambda: torch.zeros(100).to(DEVICE), 200))


def agreement():
    "Is the recorded run the plain run? And the plain one its own (grid_sample's gradient adds atomically)?"
    data = noise(32 if CUDA else 8, 10)
    for precision, schedule in (("fp32", "all"), ("bf16", "cycle")):
        cfg = replace(
            IMAGENET_SYNTHESIS, n_teachers=2, precision=precision, augment=AUGMENT, init="noise", compile=False
        )
        cfg = replace(cfg, iterations=55, schedule=schedule)
        teachers = teachers_of("convnet-2-32-batch", data, 2)
        runs = []
        for way in (lambda synth: synth, lambda synth: synth, Replay):
            with mock.patch("teddy_nb.bn_matching.quickest", way):
                runs.append(synth_block(Engine(pool_of(teachers, data), data, cfg), range(1)).tensors)
        off = lambda a, b, name: float((a[name] - b[name])[:, :20].abs().max())
        pairs = {"plain_twice": runs[:2], "recorded": runs[::2]}
        found = {k: [off(*pair, "losses"), off(*pair, "images")] for k, pair in pairs.items()}
        say(what=f"agreement {precision} {schedule}", **found, of=float(runs[0]["losses"].max()))


def student(arch="resnet18", size=32, batch=100, compiled=True):
    "A student's step: as `train_step` takes it, and from a graph"
    case, data = f"student {arch} {size}px batch {batch} bf16", noise(size, 10)
    x = torch.randn(batch, 3, size, size, device=DEVICE)
    y = torch.arange(batch, device=DEVICE) % 10

    def make(graph):
        model = new_model(arch, data, 0).to(memory_format=torch.channels_last).train()
        net = torch.compile(model, dynamic=False) if compiled else model
        lr = torch.tensor(1e-3, device=DEVICE) if graph and CUDA else 1e-3
        optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=0.01, fused=True, capturable=graph and CUDA)

        def step():
            with torch.autocast(DEVICE.type, torch.bfloat16):
                value = F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            return value.detach()

        return graphed(step) if graph else step

    attempt("train step (now)", case, lambda: make(False))
    attempt("train step, graph", case, lambda: make(True))


def runs(size=32, arch="convnet-3-128-batch"):
    "Whole runs, draws and checks included: what a user waits for"
    if not CUDA:
        size, arch = 8, "convnet-2-8-batch"
    data = noise(size, 10)
    cfg = replace(
        IMAGENET_SYNTHESIS,
        n_teachers=3,
        precision="bf16",
        augment=AUGMENT,
        init="noise",
        iterations=200,
        groups_per_batch=5,
        micro_batch=0,
    )
    teachers = teachers_of(arch, data, 3)

    for label, way in {"plain": lambda synth: synth, "recorded": Replay}.items():
        engine = Engine(pool_of(teachers, data), data, replace(cfg, compile=False))
        with mock.patch("teddy_nb.bn_matching.quickest", way):
            begin = time.perf_counter()
            synth_block(engine, range(5))
            wait()
        ms = round(1e3 * (time.perf_counter() - begin) / 200, 3)
        say(case="run convnet-3 32px 10 classes x 5 bf16 k=3, eager", what=label, ms_a_step=ms)


def forecast_imagenet():
    from teddy_nb.config import get_recipe
    from teddy_nb.forecast import forecast

    made = forecast(get_recipe("imagenet_prior"), 50, 8)
    say(what=made.title, **{s.stage: round(s.seconds) for s in made.stages})


def main():
    p = torch.cuda.get_device_properties(0) if CUDA else None
    say(torch=torch.__version__, device=p.name if p else "cpu", cudnn=torch.backends.cudnn.version())
    small, res, conv = "--small" in sys.argv, "resnet18-small", "convnet-3-128-batch"
    if small:  # To try this script on a CPU
        plan = [
            small_costs,
            runs,
            agreement,
            lambda: synthesis("convnet-2-8-batch", 8, 10, "bf16", True, n=4),
            lambda: student("convnet-2-8-batch", 8, 10, False),
            runs,
        ]
    else:
        few = ["floor eager, graph", "step eager", "step eager, recorded"]
        main = [
            "floor eager",
            *few,
            "floor compiled",
            "step compiled",
            "floor compiled, graph",
            "step compiled, recorded",
        ]
        sweep = [
            (a, s, b, g, 20)
            for a in (conv, res)
            for s, b, g in ((32, 10, 1), (32, 100, 10), (64, 100, 1), (64, 200, 1))
        ]
        sweep += [(a, 224, b, 1, 8) for a in ("resnet18", "mobilenet_v2") for b in (10, 100)]
        eager = lambda a, s, b, g, n: lambda: synthesis(a, s, b, "bf16", False, groups=g, n=n, only=few)
        plan = [small_costs, agreement, *(eager(*c) for c in sweep)]
        plan += [lambda a=a: synthesis(a, 32, 100, "bf16", True, only=main) for a in (res, conv)]
        plan += [
            student,
            runs,
            lambda: synthesis(conv, 32, 10, "bf16", False, k=3, only=few),
            lambda: synthesis("resnet18", 224, 100, "fp32", False, n=5, only=few[:3]),
        ]
        plan += [lambda a=a: synthesis(a, 32, 100, "bf16", True, only=["combo"]) for a in (res, conv)]
        plan += [
            lambda: synthesis(
                "resnet18",
                224,
                100,
                "bf16",
                True,
                n=10,
                only=["floor compiled", "step compiled", "step compiled, recorded"],
            )
        ]
        plan += [forecast_imagenet]  # All of it takes some 8 minutes: give 480 seconds where there are
    for part in plan:
        if left() > 12:
            try:
                part()
            except Exception as e:  # noqa: BLE001
                say(what=getattr(part, "__name__", "part"), error=f"{type(e).__name__}: {str(e)[:400]}")
    print(f"\n{'case':52} {'what':42} {'wait':>8} {'run':>8} {'host':>8}")
    for r in TABLE:
        if "run" in r:
            print(f"{r.get('case', ''):52} {r['what']:42} {r['wait']:8.3f} {r['run']:8.3f} {r['host']:8.3f}")


if __name__ == "__main__":
    main()
