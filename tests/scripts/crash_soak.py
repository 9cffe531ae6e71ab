"""Kill a job at every file-system event, run it again, and compare: crash_soak.py JOB SECONDS FOLDER [torn]

Each trial is a fork, so that imports are paid once. Events are what Python's audit hooks report below the job's folder: files opened for writing,
renames, removals, new folders. A clean kill comes before the event; a torn one also cuts the file that was opened last to half its length. Events are
visited in an order that covers the whole run however soon the time is up. Prints one JSON object: events, trials, and what went wrong in which.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from teddy_nb.cli import teddy_reproduce  # noqa: F401  # Imported before the first fork
from teddy_nb.config import PostPoolConfig, get_recipe
from teddy_nb.data.datasets import load_data
from teddy_nb.pipeline import distill_dataset, make_pool_folder
from teddy_nb.results import select_experiments  # noqa: F401
from teddy_nb.runs.experiments import DataConfig, Experiment, reproduce

TIMES = ("log.jsonl", "times.json", "results.json", "README.md", "recipe.json")


def brief(cfg):
    return replace(cfg, n_students=1, training=replace(cfg.training, epochs=2))


def short(name):
    "The recipe `name`, cut to a few seconds"
    recipe = get_recipe(name)
    training = replace(recipe.pool.training, epochs=2)
    if isinstance(recipe.pool, PostPoolConfig):
        finetune = replace(recipe.pool.finetune, epochs=0.2)
        pool = replace(recipe.pool, training=training, size=2, finetune=finetune, curve_window=(1, 2))
    else:
        pool = replace(recipe.pool, training=training, stages=(1, 2))
    synthesis = replace(recipe.synthesis, iterations=3, n_teachers=2)
    return replace(
        recipe,
        model="convnet-2-8-batch",
        pool=pool,
        synthesis=synthesis,
        eval_hard=replace(brief(recipe.eval_hard), student="convnet-2-8-batch"),
        eval_soft=replace(brief(recipe.eval_soft), student="convnet-2-8-batch"),
    )


def small(data):
    return type(data)(data.train.subset(torch.arange(0, 1198, 6)), data.test.subset(torch.arange(0, 599, 6)))


def experiment():
    recipe = short("digits_prior")
    return Experiment(
        "soak/digits/1/teddy", "teddy", 1, recipe.synthesis, recipe.eval_hard, DataConfig("digits"), recipe, n_sets=1
    )


DATA = small(load_data("digits"))
JOBS = {
    "distill_prior": lambda out: distill_dataset(DATA, short("digits_prior"), 2, out, force=True),
    "distill_post": lambda out: distill_dataset(DATA, short("digits_post"), 1, out, force=True),
    "pool_prior": lambda out: make_pool_folder(DATA, short("digits_prior"), out, force=True),
    "pool_post": lambda out: make_pool_folder(DATA, short("digits_post"), out, force=True),
    "reproduce": lambda out: list(reproduce([experiment()], "data", out / "results", out / "runs")),
}


class Killer:
    "An audit hook that kills its process at an event below a folder"

    def __init__(self, folder, at=None, torn=False):
        self.folder, self.at, self.torn, self.seen, self.opened = str(folder), at, torn, 0, None

    def __call__(self, event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not (writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")):
            return
        if not str(args[0]).startswith(self.folder) or str(args[0]).endswith(".lock"):
            return
        self.seen += 1
        if self.seen == self.at:
            if self.torn and self.opened and os.path.exists(self.opened):
                os.truncate(self.opened, os.path.getsize(self.opened) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self.opened = str(args[0]) if writes else None


def run(job, folder, at=None, torn=False):
    "Run a job in a fork; its exit status, its number of events, and the last line it printed when it failed"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        killer, code, said = Killer(folder, at, torn), 0, ""
        sys.addaudithook(killer)
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        try:
            JOBS[job](folder)
        except BaseException as e:  # noqa: BLE001
            code, said = 1, f"{type(e).__name__}: {e}"
        os.write(write, json.dumps([killer.seen, said]).encode())
        os._exit(code)
    os.close(write)
    status = os.waitpid(pid, 0)[1]
    text = os.read(read, 65536).decode()
    os.close(read)
    return status, *(json.loads(text) if text else (0, ""))


def contents(folder):
    "Every file but those that tell times, and what must not be left behind"
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    left = [f for f in files if f.endswith(".partial")]
    return {f: p.read_bytes() for f, p in files.items() if p.name not in TIMES and not f.endswith(".lock")}, left


def main():
    job, seconds, home, torn = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), "torn" in sys.argv
    started, failures, trials = time.monotonic(), [], 0
    status, events, said = run(job, home / "whole")
    assert status == 0, said
    whole, _ = contents(home / "whole")
    order = list(range(1, events + 1))
    random.Random(job).shuffle(order)
    for at in order:
        if time.monotonic() - started > seconds:
            break
        shutil.rmtree(home / "killed", ignore_errors=True)
        run(job, home / "killed", at, torn)
        status, _, said = run(job, home / "killed")
        found, left = contents(home / "killed")
        differs = sorted(f for f in whole.keys() | found.keys() if whole.get(f) != found.get(f))
        trials += 1
        if status or differs or left:
            failures.append({"at": at, "said": said, "differs": differs[:3], "left": left[:3]})
    print(json.dumps({"events": events, "trials": trials, "failures": failures}))


main()
