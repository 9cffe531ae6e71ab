"Test notebooks with the pretend accelerator as their device: notebooks.py [NOTEBOOK ...]; all of them when none is named. Prints a line for each, exits with 1 if one failed."

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_one(path: str):
    import simgpu  # noqa: F401
    from nbdev.test import test_nb

    sys.exit(not test_nb(Path(path), skip_flags=["notest", "slow", "cuda"])[0])


def main(names: list[str]) -> int:
    paths = [Path(n) for n in names] or sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if p.name[0] not in "_.")
    failed = 0
    for path in paths:
        begin = time.monotonic()
        command = [sys.executable, __file__, "--one", str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
        print(f"{'failed' if run.returncode else 'passed'} {path} ({time.monotonic() - begin:.0f} s)", flush=True)
        if run.returncode:
            failed += 1
            print(f"{run.stdout[-2500:]}\n{run.stderr[-2500:]}", flush=True)
    return failed


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        test_one(sys.argv[2])
    sys.exit(main(sys.argv[1:]) > 0)
