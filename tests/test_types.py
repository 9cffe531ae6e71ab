"The package's types, as a type checker sees them in a user's program"

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")
here = Path(__file__).parent


def test_a_users_program_is_checked(tmp_path):
    package = shutil.copytree(here.parent / "teddy_nb", tmp_path / "teddy_nb", ignore=shutil.ignore_patterns("zoo"))
    runpy.run_path(str(here.parent / "tools" / "stubs.py"))["write_stubs"](package)
    for name in ("typed_user.py", "mypy.ini"):
        shutil.copy(here / "scripts" / name, tmp_path)
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", "cache", "typed_user.py"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
