"Jobs killed at any file-system event end with the bytes of jobs that were not; TEDDY_SOAK=SECONDS visits more events"

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "crash_soak.py"
SECONDS = float(os.environ.get("TEDDY_SOAK", "5"))  # For each job and kind of kill


@pytest.mark.parametrize("kind", ["clean", "torn"])
@pytest.mark.parametrize("job", ["distill_prior", "distill_post", "pool_prior", "pool_post", "reproduce"])
def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(job, kind, tmp_path):
    command = [sys.executable, str(SCRIPT), job, str(SECONDS), str(tmp_path), kind]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["trials"] and not report["failures"], report
