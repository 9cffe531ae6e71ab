"Processes of their own, without seconds of imports each: forked from one that has imported the package and done nothing else"

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

long = pytest.mark.skipif(not os.environ.get("TEDDY_RUN_ALL"), reason="takes long; set TEDDY_RUN_ALL=1 to run it")
ENV = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}
SCRIPTS = Path(__file__).parent / "scripts"
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["teddy_nb.pipeline", "teddy_nb.detection"])


def run(script: str, args: list[str]):
    with open(os.devnull, "w") as f:
        os.dup2(f.fileno(), 1)
        os.dup2(f.fileno(), 2)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    sys.argv, sys.path[:0] = [script, *args], [str(SCRIPTS)]
    runpy.run_path(script, run_name="__main__")


def start(script: str, *args) -> multiprocessing.Process:
    "Start a script of the folder `scripts`"
    process = CONTEXT.Process(target=run, args=(str(SCRIPTS / script), [str(a) for a in args]))
    process.start()
    return process


def finish(*processes: multiprocessing.Process):
    for p in processes:
        p.join()
    assert not any(p.exitcode for p in processes), [p.exitcode for p in processes]


def call(*command: str | Path) -> str:
    "Run a command and return what it printed"
    done = subprocess.run(list(map(str, command)), env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def launch(*command: str | Path) -> str:
    "Run a command in two processes of a launcher and return what they printed"
    return call(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command)
