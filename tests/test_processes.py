"Training shared by two processes, as `accelerate launch` or `torchrun` start them"

import os
import subprocess
import sys
from pathlib import Path

import torch

from teddy_nb.teachers.pool import load_pool

SCRIPT = Path(__file__).parent / "scripts" / "shared_training.py"


def launch(processes: int, *command: str):
    many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(
        [sys.executable, *(many if processes > 1 else []), *command], check=True, env=env, capture_output=True
    )


def test_two_processes_take_the_steps_of_one_with_twice_the_batch(tmp_path):
    launch(1, str(SCRIPT), str(tmp_path / "one"), "128")
    launch(2, str(SCRIPT), str(tmp_path / "two"), "64")
    one, two = load_pool(tmp_path / "one"), load_pool(tmp_path / "two")
    assert one.curve[-1][1] > 0.3
    for a, b in zip(one.trajectory, two.trajectory, strict=True):
        assert abs(a.accuracy - b.accuracy) < 0.005
        for name, value in a.model.state_dict().items():
            torch.testing.assert_close(value, b.model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_the_pool_command_runs_in_two_processes(tmp_path):
    command = Path(sys.executable).with_name("teddy_pool")
    launch(2, str(command), "--dataset", "digits", "--model", "convnet-2-8-batch", "--out", str(tmp_path / "pool"))
    pool = load_pool(tmp_path / "pool")
    assert len(pool) == 5 and pool.converged.accuracy > 0.8
    assert sorted(p.name for p in (tmp_path / "pool").iterdir() if p.suffix != ".safetensors") == [
        "log.jsonl",
        "manifest.json",
        "times.json",
    ]
