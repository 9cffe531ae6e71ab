"""The run-book: everything that only a GPU can show, in slices of at most nine minutes that go on where the last one stopped.

    make gpu                                 the next slice; again until it says that all is done
    python benchmarks/gpu.py --list          what there is, and what became of it
    python benchmarks/gpu.py --simulated     the same book, shortened, on the pretend accelerator of benchmarks/simgpu

A step that is cut short by the end of a slice runs again in the next one: what it had finished it finds on disk, if it keeps any. One that has had
a whole slice for itself and keeps nothing is given up. States and outputs lie in `runs/gpu`; measurements are copied to `benchmarks/gpu/*.json`. Datasets are looked for
in the folder that TEDDY_DATA names; steps whose data are absent are left out. Exit code 0: all is done; 75: run it again; 1: a step failed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TEDDY_DATA", ROOT / "data")).expanduser()
BIN = Path(sys.executable).parent
PY = sys.executable


class Step(NamedTuple):
    name: str
    command: list[str]
    keeps: bool = False  # Whether a second call goes on from what the first one left
    needs: str = ""  # File or folder under the data
    result: bool = False  # Whether its last line is a JSON object to keep


def tool(name: str, *options: str) -> list[str]:
    return [str(BIN / name), *options]


def real_steps() -> list[Step]:
    tests = ["no_stalls", "validation", "crash", "distill", "processes"]
    synthesis = [f"{a}-{s}-{p}" for a in ("resnet18", "convnet3") for s in (32, 64) for p in ("bf16", "fp32")]
    validation = ["resnet18-32-ipc10-fast", "convnet3-32-ipc10-fast", "convnet3-32-ipc10", "seeds-convnet3-32"]
    check = lambda *a: [PY, "benchmarks/gpu_checks.py", *a]
    case = lambda script, name: [PY, f"benchmarks/{script}.py", "--case", name]
    steps = [Step("device", check("device"), result=True), Step("probe", [PY, "benchmarks/gpu_probe.py", "230"])]
    steps += [Step("graphs", tool("nbdev_test", "--path", "nbs/toolkit/matching/replay.ipynb", "--flags", "cuda"))]
    at = ["--root", str(DATA)]
    small = lambda data, ipc, *o: tool(
        "teddy_distill", "--dataset", data, "--ipc", str(ipc), "--out", f"runs/gpu/{data}-{ipc}", *at, *o
    )
    resnet, cifar, tiny = ("--model", "resnet18-small"), "cifar-10-batches-py", "tiny-imagenet-200"
    for n in (
        10,
        1,
        50,
    ):  # Beside 66.2, 32.3, 85.1 % of CIM and 79.1, -, 87.0 % of EDC; random images are in each table
        made = f"runs/gpu/cifar10-{n}"
        given = ("--set", f"{made}/distilled", "--pool", f"{made}/pool", "--dataset", "cifar10", "--student", resnet[1])
        score = lambda p, n, *o: tool("teddy_validate", *o, "--protocol", p, "--out", f"runs/gpu/{p}-{n}.json", *at)
        steps += [Step(f"cifar10 at {n}", small("cifar10", n, *resnet), True, cifar)]
        steps += [Step(f"{p} at {n}", score(p, n, *given), needs=cifar) for p in ("cim", "edc")]
    steps += [Step("stalls", check("stalls"), result=True)]
    steps += [Step("notebooks", tool("nbdev_test", "--flags", "cuda", "--n_workers", "4"))]
    steps += [Step(f"tests {t}", [PY, "-m", "pytest", "-q", f"tests/test_{t}.py"]) for t in tests]
    steps += [Step(f"synthesis {c}", case("synthesis", c), result=True) for c in synthesis]
    steps += [Step(f"validation {c}", case("validation", c), result=True) for c in validation]
    steps += [Step("forecast imagenet", tool("teddy_forecast", "--devices", "8"))]
    steps += [Step("tiny_imagenet at 50", small("tiny_imagenet", 50), True, tiny)]
    out = ("--runs", "runs/gpu/reproduce", *at)
    steps += [Step("table 1", tool("teddy_reproduce", "table1", *out), True, tiny)]
    for table in ("table3_instance", "table3"):
        steps += [Step(f"{table} at 50", tool("teddy_reproduce", table, "--cells", "cifar10/50", *out), True, cifar)]
    steps += [Step("tiny_imagenet at 100", small("tiny_imagenet", 100), True, tiny)]
    return steps


def simulated_steps() -> list[Step]:
    under = lambda *a: [PY, "benchmarks/simgpu/under.py", *a]
    check = lambda *a: under("benchmarks/gpu_checks.py", *a)
    return [
        Step("device", check("device"), result=True),
        Step("controls", [PY, "benchmarks/simgpu/controls.py"]),
        Step("notebooks", [PY, "benchmarks/simgpu/notebooks.py"]),
        Step("stalls", check("stalls"), result=True),
        Step("probe", under("benchmarks/gpu_probe.py", "60", "--small")),
        Step("walk", [PY, "benchmarks/simgpu/walk.py", "--state", "runs/simgpu/walk.json", "--seconds", "400"], True),
        Step("digits at 2", under("tests/scripts/brief_distill.py", "runs/simgpu/digits-2", "2"), True),
    ]


class Book:
    "Steps with what became of them"

    def __init__(self, home: Path, kept: Path | None, steps: list[Step]):
        self.home, self.kept, self.steps = home, kept, steps
        self.home.mkdir(parents=True, exist_ok=True)
        state = home / "state.json"
        self.state = json.loads(state.read_text()) if state.exists() else {}

    def record(self, step: Step, status: str, seconds: float):
        before = self.state.get(step.name, {}).get("seconds", 0)
        self.state[step.name] = {"status": status, "seconds": round(before + seconds, 1)}
        partial = self.home / "state.partial"
        partial.write_text(json.dumps(self.state, indent=1))
        partial.replace(self.home / "state.json")
        print(f"{status:8} {step.name} ({seconds:.0f} s)", flush=True)

    def open_steps(self) -> list[Step]:
        return [s for s in self.steps if self.state.get(s.name, {}).get("status") in (None, "cut")]

    def log(self, step: Step) -> Path:
        return self.home / f"{step.name.replace(' ', '-')}.log"

    def take(self, step: Step, seconds: float, whole: bool):
        "Run one step for so many seconds at most"
        begin = time.monotonic()
        if step.needs and not (DATA / step.needs).exists():
            return self.record(step, "no data", 0)
        with open(self.log(step), "a") as out:
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            env = {**os.environ, "TEDDY_DATA": str(DATA), "TEDDY_SLOW": "", "PYTHONPATH": path}
            run = subprocess.Popen(step.command, cwd=ROOT, env=env, stdout=out, stderr=out, start_new_session=True)
            try:
                code = run.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                code = 75
        status = {0: "done", 75: "cut" if step.keeps or not whole else "given up"}.get(code, "failed")
        self.record(step, status, time.monotonic() - begin)
        if status == "done" and step.result and self.kept:
            self.keep(step)

    def keep(self, step: Step):
        "Copy the JSON object that a step printed last"
        line = [x for x in self.log(step).read_text().splitlines() if x.startswith("{")][-1]
        path = self.kept / f"{step.name.split()[0]}.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**found, step.name: json.loads(line)}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=540, help="of this slice")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--simulated", action="store_true")
    args = parser.parse_args()
    if args.simulated:
        book = Book(ROOT / "runs/simgpu", None, simulated_steps())
    else:
        book = Book(ROOT / "runs/gpu", ROOT / "benchmarks/gpu", real_steps())
    if args.list:
        for s in book.steps:
            print(f"{book.state.get(s.name, {}).get('status', 'open'):8} {s.name}: {' '.join(s.command)}")
        return
    if not args.simulated and subprocess.call([PY, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"]):
        sys.exit("make gpu needs a CUDA device; make simgpu walks over a pretend one")
    end, first = time.monotonic() + args.seconds, True
    while (left := book.open_steps()) and (rest := end - time.monotonic()) > 20:
        book.take(left[0], rest, first)
        if book.state[left[0].name]["status"] == "cut":
            break
        first = False
    failed = [s.name for s in book.steps if book.state.get(s.name, {}).get("status") in ("failed", "given up")]
    left = book.open_steps()
    print(f"{len(book.steps) - len(left)} of {len(book.steps)} steps; {', '.join(failed) or 'none'} failed")
    print("run it again to go on" if left else f"all is done; outputs lie in {book.home.relative_to(ROOT)}")
    sys.exit(75 if left else bool(failed))


if __name__ == "__main__":
    main()
