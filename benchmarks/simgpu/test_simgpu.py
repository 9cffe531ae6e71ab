"A whole run on the pretend accelerator: no mix of devices, and nothing that CUDA would refuse (`make simgpu`)"

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    not os.environ.get("TEDDY_SIMGPU"), reason="builds a C++ extension and takes minutes; make simgpu runs it"
)


@pytest.mark.parametrize("script", ["controls.py", "walk.py", "notebooks.py"])
def test_on_the_pretend_accelerator(script):
    run = subprocess.run([sys.executable, HERE / script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout[-6000:]}\n{run.stderr[-2000:]}"
