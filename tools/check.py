"Everything `make test` runs, or one part of it: check.py [package|site]; stops at the first failure"

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path


def git(*args: str) -> str:
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout


def snapshot() -> dict[str, str]:
    "Hash of every file that git tracks or would offer to add, so that a checkout with changes of its own can be checked"
    files = [Path(p) for p in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0") if p]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()}


def step(*command: str):
    "Run one command, say how long it took, and leave with its exit code if it fails"
    name, start = " ".join(command), time.monotonic()
    print(f"== {name}", flush=True)
    code = subprocess.run(command, check=False).returncode
    print(f"== {name}: {'ok' if code == 0 else f'FAILED ({code})'}, {time.monotonic() - start:.1f} s", flush=True)
    if code:
        sys.exit(code)


def unchanged(*command: str):
    "Run one command that should find nothing to do"
    before = snapshot()
    step(*command)
    after = snapshot()
    if changed := sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p)):
        sys.exit(f"== {command[0]} FAILED: it changed {', '.join(changed)}; run it and commit what it writes")


SITE = [f"tests/test_{name}.py" for name in ("site", "browser", "rendered")]
part = sys.argv[1] if len(sys.argv) > 1 else ""
os.environ["OMP_NUM_THREADS"] = "1"  # Two notebooks run at once; threads of their own would only wait for each other
if part != "site":
    unchanged("nbdev_clean")
    unchanged("nbdev_export")
    unchanged(sys.executable, "tools/readme.py")
    unchanged(sys.executable, "tools/llms.py")
    step("ruff", "check")
    step("ruff", "format", "--check")
    step("nbdev_test", "--timing", "--n_workers", "2")
tests = {"": ["tests"], "package": ["tests", *(f"--ignore={path}" for path in SITE)], "site": SITE}[part]
print("== pytest", flush=True)
sys.exit(subprocess.run(["pytest", "-q", "-n", "2", "--dist", "loadfile", *tests], check=False).returncode)
