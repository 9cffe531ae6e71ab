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


LOADING = [("fastcore.basics", signal.SIGINT), ("torch.nn", signal.SIGINT), ("torchvision", signal.SIGTERM)]


@pytest.mark.parametrize(("module", "sent"), LOADING)
def test_a_signal_while_modules_load(module, sent, tmp_path):
    out = str(tmp_path / "run")
    process = start("teddy_distill", "--out", out, PYTHONPROFILEIMPORTTIME="1", PYTHONUNBUFFERED="1")
    lines = interrupt(process, f" {module}\n", sent)
    assert (process.returncode, lines) == (128 + sent, ["teddy_distill: stopped; the same command goes on from here"])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_teacher_trains(sent, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    process = start("teddy_distill", "--out", str(tmp_path / "run"), "--recipe", str(tmp_path / "recipe.toml"))
    lines = interrupt(process, "] pool:", sent)
    assert process.returncode == 128 + sent
    assert [line for line in lines if "it/s" not in line][
        -1
    ] == "teddy_distill: stopped; the same command goes on from here"
    assert "Traceback" not in "".join(lines)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_reader_that_goes_away(tmp_path):
    process = start("teddy_report", "--folder", str(Path(__file__).parents[1] / "results"))
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(), err) == (141, "")
