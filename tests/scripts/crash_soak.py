"""What a kill at every file-system event would leave is taken up again and compared: crash_soak.py SECONDS FOLDER [JOB ...]

Events are what Python's audit hooks report below a job's folder: files opened for writing, renames, removals, new folders. The folder is copied before
an event, as a clean kill leaves it, and as a torn one does: with the file that was opened last cut to half its length. Every trial is a fork, so that
imports are paid once. Events are visited in an order that covers the whole run however soon the SECONDS of each job and kind are up. Prints a JSON
object a job and kind: events, trials, and what went wrong in which.
"""

import json
import os
import random
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from teddy_nb.cli import teddy_reproduce  # noqa: F401  # Imported before the first fork
from teddy_nb.config import PostPoolConfig, get_recipe
from teddy_nb.data.datasets import load_data
from teddy_nb.pipeline import distill_dataset, make_pool_folder
from teddy_nb.reproduce.experiment import DataConfig, Experiment, TeacherConfig, reproduce
from teddy_nb.reproduce.tables import select_experiments  # noqa: F401

TIMES = ("log.jsonl", "results.json", "README.md", "recipe.toml")
KINDS = ("clean", "torn")
SECONDS = re.compile(rb'"(seconds|set|students|digest)": [^{\n]*')  # And digests of what holds them


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
        alternatives=None,
        eval_hard=replace(brief(recipe.eval_hard), student="convnet-2-8-batch"),
        eval_soft=replace(brief(recipe.eval_soft), student="convnet-2-8-batch"),
    )


def small(data):
    return type(data)(data.train.subset(torch.arange(0, 1198, 6)), data.test.subset(torch.arange(0, 599, 6)))


def experiment():
    recipe = short("digits_prior")
    teachers = TeacherConfig(recipe.model, recipe.pool, recipe.seed)
    return Experiment(
        "soak/digits/1/teddy", "teddy", 1, DataConfig("digits"), recipe.eval_hard, recipe.synthesis, teachers
    )


DATA = small(load_data("digits"))
JOBS = {
    "distill_prior": lambda out: distill_dataset(DATA, short("digits_prior"), 2, out, force=True),
    "distill_post": lambda out: distill_dataset(DATA, short("digits_post"), 1, out, force=True),
    "pool_prior": lambda out: make_pool_folder(DATA, short("digits_prior"), out, force=True),
    "pool_post": lambda out: make_pool_folder(DATA, short("digits_post"), out, force=True),
    "reproduce": lambda out: list(reproduce([experiment()], "data", out / "results", out / "runs")),
}


class Watcher:
    "An audit hook that counts events below a folder, and copies the folder before some of them"

    def __init__(self, folder, copies=None, wanted=()):
        self.folder, self.copies, self.wanted = folder, copies, wanted
        self.seen, self.opened, self.busy = 0, None, False

    def __call__(self, event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if self.busy or not (writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")):
            return
        if not str(args[0]).startswith(str(self.folder)) or str(args[0]).endswith(".lock"):
            return
        self.seen += 1
        if self.seen in self.wanted:
            self.busy = True
            for kind in KINDS:
                self.copy(self.copies / kind / str(self.seen), kind == "torn")
            self.busy = False
        self.opened = Path(args[0]) if writes else None

    def copy(self, to, torn):
        to.mkdir(parents=True)
        if self.folder.exists():
            shutil.copytree(self.folder, to, dirs_exist_ok=True)
        if torn and self.opened and self.opened.exists():
            cut = to / self.opened.relative_to(self.folder)
            os.truncate(cut, cut.stat().st_size // 2)


def run(job, folder, *copying):
    "Run a job in a fork; its exit status, its number of events, and the last line it printed when it failed"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        watcher, code, said = Watcher(folder, *copying), 0, ""
        sys.addaudithook(watcher)
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        os.fsync = lambda fd: None  # A kill loses nothing that was written
        try:
            JOBS[job](folder)
        except BaseException as e:  # noqa: BLE001
            code, said = 1, f"{type(e).__name__}: {e}"
        os.write(write, json.dumps([watcher.seen, said]).encode())
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
    kept = {f: p.read_bytes() for f, p in files.items() if p.name not in TIMES and not f.endswith(".lock")}
    return {f: SECONDS.sub(b"", c) if f.endswith(".json") else c for f, c in kept.items()}, left


def copy_states(job, home, n):
    "Run a job and keep its folder as it was before `n` events; return the files at its end, the number of events and the chosen ones"
    whole = home / "whole"
    status, events, said = run(job, whole)
    assert status == 0, said
    expected, _ = contents(whole)
    shutil.rmtree(whole)
    order = random.Random(job).sample(range(1, events + 1), min(events, n))
    run(job, whole, home, set(order))
    return expected, events, order


def soak(job, kind, seconds, home, expected, order):
    "Take up the job after each event that there is time for; return the number of trials, and what went wrong"
    started, failures, trials = time.monotonic(), [], 0
    for at in order:
        if time.monotonic() - started > seconds:
            break
        if not (home / kind / str(at)).exists():  # One event more or less
            continue
        shutil.rmtree(home / "whole")
        (home / kind / str(at)).rename(home / "whole")
        status, _, said = run(job, home / "whole")
        found, left = contents(home / "whole")
        differs = sorted(f for f in expected.keys() | found.keys() if expected.get(f) != found.get(f))
        trials += 1
        if status or differs or left:
            failures.append({"at": at, "said": said, "differs": differs[:3], "left": left[:3]})
    return {"trials": trials, "failures": failures}


def main():
    seconds, home, jobs = float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or list(JOBS)
    for job in jobs:
        expected, events, order = copy_states(job, home / job, 10 * int(seconds))
        for kind in KINDS:
            report = soak(job, kind, seconds, home / job, expected, order)
            print(json.dumps({"job": job, "kind": kind, "events": events} | report), flush=True)
        shutil.rmtree(home / job)


if __name__ == "__main__":
    main()
