"Jobs killed at any file-system event end with the bytes of jobs that were not; TEDDY_SOAK=SECONDS visits more events"

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "crash_soak.py"
SECONDS = os.environ.get("TEDDY_SOAK", "")  # For each job and kind of kill; 1000 are enough for all events
JOBS = ["distill_post", "pool_prior", "reproduce"]  # Both pools, all commands
JOBS += ["distill_prior", "pool_post"] * bool(SECONDS)


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict:
    command = [sys.executable, str(SCRIPT), SECONDS or "1", str(tmp_path_factory.mktemp("soak")), *JOBS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {(r["job"], r["kind"]): r for r in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("kind", ["clean", "torn"])
@pytest.mark.parametrize("job", JOBS)
def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(reports, job, kind):
    report = reports[job, kind]
    assert report["trials"] and not report["failures"], report
