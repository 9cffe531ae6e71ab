"The real console commands, interrupted at every stage: a sentence and the exit code of the signal, never a traceback"

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent
RECIPE = """
model = "convnet-2-8-batch"
[pool.training]
epochs = 100000
[pool]
stages = [1]
[synthesis]
n_teachers = 1
"""


def start(*args, **env):
    if not (COMMANDS / args[0]).exists():
        pytest.skip("the console commands are not installed beside this Python")
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([str(COMMANDS / args[0]), *args[1:]], env={**os.environ, **env}, **options)


def interrupt(process, awaited, sent):
    "Send a signal once a line of stderr holds a text; what was printed after it, without the lines about imports"
    for line in process.stderr:
        if awaited in line:
            break
    process.send_signal(sent)
    _, err = process.communicate(timeout=120)
    return [line for line in err.splitlines() if line.strip() and not line.startswith("import time:")]


LOADING = [("fastcore.basics", signal.SIGINT), ("torch.nn", signal.SIGTERM)]


@pytest.mark.parametrize(("module", "sent"), LOADING)
def test_a_signal_while_modules_load(module, sent, tmp_path):
    out = str(tmp_path / "run")
    process = start("teddy_distill", "--out", out, PYTHONPROFILEIMPORTTIME="1", PYTHONUNBUFFERED="1")
    lines = interrupt(process, f" {module}\n", sent)
    assert (process.returncode, lines) == (128 + sent, ["teddy_distill: stopped; the same command goes on from here"])


def test_a_signal_while_a_teacher_trains(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    process = start("teddy_distill", "--out", str(tmp_path / "run"), "--recipe", str(tmp_path / "recipe.toml"))
    lines = [line for line in interrupt(process, "] pool:", signal.SIGTERM) if "it/s" not in line]
    assert (process.returncode, lines[-1]) == (143, "teddy_distill: stopped; the same command goes on from here")
    assert "Traceback" not in "".join(lines)
    assert not list(tmp_path.rglob("*.partial"))


STUB = """
import sys, types
sys.modules["teddy_nb.pipeline"] = types.ModuleType("pipeline")  # Its import takes seconds
from teddy_nb.cli import one_line_errors
with one_line_errors("teddy_report"):
    print("much to read" * 10**5)
"""


def test_a_reader_that_goes_away():
    process = subprocess.Popen([sys.executable, "-c", STUB], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(), err) == (141, "")
