"Work shared by several processes: a teacher's training, and everything else through the run folder"

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from processes import ENV, SCRIPTS, call, finish, launch, long, start

from teddy_nb.runs.files import read_log
from teddy_nb.teachers.pool import load_pool

DISTILL, REPRODUCE, TRAIN = "shared_distill.py", "shared_reproduce.py", "shared_training.py"


def contents(out: Path) -> dict[str, bytes]:
    "Every file of a run but those that tell times; results without their seconds, which their digests cover"
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file() and p.name != "log.jsonl"}
    found = {name: p.read_bytes() for name, p in files.items() if not name.endswith(".lock")}
    return found | {"results.json": [{**r, "seconds": 0, "digest": ""} for r in json.loads(found["results.json"])]}


def differences(out: Path, whole: dict[str, bytes]) -> list[str]:
    found = contents(out)
    return sorted(name for name in found.keys() | whole.keys() if found.get(name) != whole.get(name))


def made_by_process(out: Path, what: str) -> dict[str, list[str]]:
    "The files of one kind that each process made"
    lines = [line for line in read_log(out / "log.jsonl") if line.get("timed") == what]
    return {p: [line["file"] for line in lines if line["process"] == p] for p in {line["process"] for line in lines}}


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    "A folder with a pool, and the run of one process"
    folder = tmp_path_factory.mktemp("alone")
    finish(start(DISTILL, folder / "run", folder / "pool"))
    return folder


def test_processes_of_a_launcher_end_with_the_bytes_of_one(alone, tmp_path):
    printed = launch(SCRIPTS / DISTILL, tmp_path / "run", alone / "pool")
    assert differences(tmp_path / "run", contents(alone / "run")) == []
    assert printed.count("| method") == 1
    made = made_by_process(tmp_path / "run", "synthesis")
    # Six images of Teddy and of the single teacher, and seven blocks of the choice, each made once
    assert sum(map(len, made.values())) == 19


def test_a_process_joins_late_and_another_is_killed(alone, tmp_path):
    command = DISTILL, tmp_path / "run", alone / "pool"
    first = start(*command)
    while not made_by_process(tmp_path / "run", "synthesis"):
        assert first.is_alive()
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)  # It keeps what it has claimed
    late = start(*command)
    while len(made_by_process(tmp_path / "run", "synthesis")) < 2:
        assert late.is_alive()
        time.sleep(0.01)
    first.kill()
    finish(late)
    assert differences(tmp_path / "run", contents(alone / "run")) == []


@long
def test_a_notebook_starts_processes(alone, tmp_path):
    call(sys.executable, SCRIPTS / DISTILL, tmp_path / "run", alone / "pool", "notebook")
    assert differences(tmp_path / "run", contents(alone / "run")) == []


@long
def test_jobs_share_a_run(alone, tmp_path):
    submit = Path(sys.executable).with_name("teddy_submit")
    command = f"{sys.executable} {SCRIPTS / DISTILL} {tmp_path / 'run'} {alone / 'pool'}"
    options = "--jobs", "2", "--cluster", "local", "--logs", str(tmp_path / "jobs"), "--wait"
    call(submit, command, *options)
    assert differences(tmp_path / "run", contents(alone / "run")) == []


def measured(folder: Path) -> dict[str, dict]:
    "The results of a table, without their seconds"
    home = folder / "results"
    bare = lambda fields: {k: v for k, v in fields.items() if k != "seconds"}
    return {p.relative_to(home).as_posix(): json.loads(p.read_text(), object_hook=bare) for p in home.rglob("*.json")}


def made_of_table(folder: Path) -> list[str]:
    "What the processes of a table made, each file as often as it was made"
    logs = sorted((folder / "runs").rglob("log.jsonl"))
    lines = [(p.parent.name, line) for p in logs for line in read_log(p) if line.get("timed") in ("set", "students")]
    return sorted(f"{home} {line['timed']} {line['file']}" for home, line in lines)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    "A folder with a table that one process measured"
    folder = tmp_path_factory.mktemp("table")
    finish(start(REPRODUCE, folder))
    return folder


def test_processes_measure_a_table_as_one_does(table, tmp_path):
    finish(*(start(REPRODUCE, tmp_path) for _ in range(2)))
    assert measured(tmp_path) == measured(table) and len(measured(table)) == 5
    assert made_of_table(tmp_path) == made_of_table(table)


def test_a_table_goes_on_after_a_kill(table, tmp_path):
    first = start(REPRODUCE, tmp_path)
    while not [*(tmp_path / "runs/students").glob("*/scores/hard/0.safetensors")]:
        assert first.is_alive()
        time.sleep(0.01)
    first.kill()
    first.join()
    finish(start(REPRODUCE, tmp_path))
    assert measured(tmp_path) == measured(table)
    made = made_of_table(tmp_path)  # The kill may have come between a file and its line in the log
    assert len(made) == len(set(made)) >= len(made_of_table(table)) - 1


@long
def test_processes_of_a_launcher_measure_a_table_as_one_does(table, tmp_path):
    # Its processes would train other teachers, for they share every step
    shutil.copytree(table / "runs/teachers", tmp_path / "runs/teachers")
    launch(SCRIPTS / REPRODUCE, tmp_path)
    assert measured(tmp_path) == measured(table)
    assert made_of_table(tmp_path) == made_of_table(table)


def test_a_launcher_that_begins_one_process_is_refused(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("from teddy_nb.core.devices import dist_state\ndist_state()\n")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", str(program)]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode and "asked for several processes and began one" in done.stderr


def test_two_processes_take_the_steps_of_one_with_twice_the_batch(tmp_path):
    finish(start(TRAIN, tmp_path / "one", "128"))
    launch(SCRIPTS / TRAIN, tmp_path / "two", "64")
    one, two = load_pool(tmp_path / "one"), load_pool(tmp_path / "two")
    assert one.curve[-1][1] > 0.3
    for a, b in zip(one.trajectory, two.trajectory, strict=True):
        assert abs(a.accuracy - b.accuracy) < 0.005
        for name, value in a.model.state_dict().items():
            torch.testing.assert_close(value, b.model.state_dict()[name], rtol=1e-3, atol=1e-4)


@long
def test_the_pool_command_runs_in_two_processes(tmp_path):
    command = Path(sys.executable).with_name("teddy_pool")
    launch(command, "--dataset", "digits", "--model", "convnet-2-8-batch", "--out", tmp_path / "pool")
    pool = load_pool(tmp_path / "pool")
    assert len(pool) == 5 and pool.converged.accuracy > 0.8
    assert [p.name for p in (tmp_path / "pool").iterdir() if p.suffix != ".safetensors"] == ["log.jsonl"]
