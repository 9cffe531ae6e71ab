"A detection run: shared by processes, refused in one sentence, and judged by a script that knows nothing of this package"

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
SHARED = SCRIPTS / "shared_detection.py"
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}
LAUNCHER = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"


def start(*command) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *map(str, command)], env=ENV, stderr=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen):
    for p in processes:
        error = p.communicate()[1]
        assert p.returncode == 0, error[-2000:]


def contents(out: Path) -> dict[str, bytes]:
    "Every file of a run but those that tell times; results without their seconds"
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    found = {name: p.read_bytes() for name, p in files.items() if p.name not in ("log.jsonl", "times.json")}
    return found | {"results.json": [{**r, "seconds": 0} for r in json.loads(found["results.json"])]}


def makers(out: Path, what: str) -> list[str]:
    "Which process made each file of one kind"
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [line["process"] for line in lines if line.get("timed") == what]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    finish(start(SHARED, out))
    return out


def test_two_processes_end_with_the_bytes_of_one(alone, tmp_path):
    finish(start(SHARED, tmp_path / "run"), start(SHARED, tmp_path / "run"))
    assert contents(tmp_path / "run") == contents(alone)
    assert len(makers(tmp_path / "run", "pool")) == 1
    assert len(makers(tmp_path / "run", "groups")) == 4  # Two of Teddy and of the converged detector, each made once
    assert len(makers(tmp_path / "run", "students")) == 12 == len(makers(alone, "students"))
    assert len(set(makers(tmp_path / "run", "students"))) == 2


def test_processes_of_a_launcher_share_a_run_whose_pool_is_there(alone, tmp_path):
    out = tmp_path / "run"
    subprocess.run(["cp", "-r", alone, out], check=True)
    for name in ("synth", "scores", "distilled"):
        subprocess.run(["rm", "-r", out / name], check=True)
    (out / "results.json").unlink()
    finish(start(*LAUNCHER, SHARED, out))
    assert contents(out) == contents(alone)


def test_processes_of_a_launcher_train_the_pool_together(tmp_path):
    finish(start(*LAUNCHER, SHARED, tmp_path / "run"))
    assert {r["method"] for r in json.loads((tmp_path / "run/results.json").read_text())} >= {"Teddy", "random real"}
    assert not list((tmp_path / "run").rglob("checkpoint*"))
