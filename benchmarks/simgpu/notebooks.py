"""Test notebooks with the pretend accelerator as their device: notebooks.py [NOTEBOOK ...]; all of them when none is named.

Prints a line for each; exits with 1 if one failed. Nothing compiles for this device, so the notebooks find no compiler.
"""

import os
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

from nbdev.doclinks import nbglob

from teddy_nb.core.devices import cpu_count


def test_here(path: str) -> bool:
    import simgpu  # noqa: F401
    from nbdev.test import test_nb

    os.environ["CXX"] = "none"
    return test_nb(Path(path), skip_flags=["notest", "slow", "cuda"])[0]


def test_apart(path: Path) -> bool:
    "Test one notebook in a process of its own"
    begin, env = time.monotonic(), {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, __file__, "--here", path], capture_output=True, text=True, check=False, env=env
    )
    errors = "" if run.returncode == 0 else f"\n{run.stdout[-2500:]}\n{run.stderr[-2500:]}"
    print(f"{'failed' if errors else 'passed'} {path} ({time.monotonic() - begin:.0f} s){errors}", flush=True)
    return not errors


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        sys.exit(not test_here(sys.argv[2]))
    paths = sys.argv[1:] or nbglob()
    with ThreadPool(cpu_count()) as pool:
        sys.exit(not all(pool.map(test_apart, paths, chunksize=1)))
