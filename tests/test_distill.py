"Whole runs in processes of their own: killed and continued, and judged by a script that knows nothing of this package"

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from processes import finish, long, start
from sklearn.datasets import load_digits
from torch import nn
from torchvision.datasets import ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor

from teddy_nb.bn_matching import synthesize
from teddy_nb.config import get_recipe
from teddy_nb.data.datasets import load_data
from teddy_nb.teachers.pool import load_pool

SCRIPT = "brief_distill.py"
SECONDS = ("log.jsonl", "results.json")


def contents(out: Path) -> dict[str, bytes]:
    "Every file of a run but those that tell times, and the locks of killed processes"
    files = (p for p in out.rglob("*") if p.is_file() and p.name not in SECONDS and p.suffix != ".lock")
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in files}


@long
def test_a_killed_run_ends_with_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(SCRIPT, whole))
    for awaited in ("pool/manifest.safetensors", "synth/00001.safetensors"):
        process = start(SCRIPT, killed)
        while not (killed / awaited).exists():
            assert process.is_alive(), f"ended before {awaited}"
            time.sleep(0.005)
        process.kill()
        process.join()
    assert not (killed / "results.json").exists()
    first = (killed / "synth/00000.safetensors").stat().st_mtime_ns
    finish(start(SCRIPT, killed))
    assert contents(killed) == contents(whole)
    assert (killed / "synth/00000.safetensors").stat().st_mtime_ns == first


@pytest.fixture
def distilled(tmp_path) -> Path:
    data, recipe = load_data("digits"), get_recipe("digits_prior")
    cfg = replace(recipe.synthesis, iterations=100)
    synthesize(load_pool("zoo/digits_prior"), data.train, cfg, ipc=1).save(tmp_path / "distilled")
    return tmp_path / "distilled"


def student_accuracy(x: torch.Tensor, y: torch.Tensor, test: tuple[torch.Tensor, torch.Tensor], seed: int) -> float:
    "Train a small network of its own kind on the images, jittered by a pixel, and score it"
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(32, 64, 3, padding=1), nn.GroupNorm(4, 64), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(64 * 16, 10))
    optimizer = torch.optim.Adam(net.parameters(), 0.002)
    for _ in range(80):
        shifts = torch.randint(-1, 2, (len(x), 2)).tolist()
        moved = torch.stack([i.roll(s, (1, 2)) for i, s in zip(x, shifts, strict=True)])
        loss = F.cross_entropy(net(moved), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return (net(test[0]).argmax(1) == test[1]).float().mean().item()


def test_an_independent_student_learns_more_than_from_random_images(distilled):
    folder = ImageFolder(distilled, loader=lambda p: p)
    x = torch.stack([pil_to_tensor(Image.open(p).convert("L")) for p, _ in folder.samples]).float() / 255
    raw = load_digits()
    real = F.interpolate(torch.tensor(raw.images, dtype=torch.float32)[:, None] / 16, size=(16, 16), mode="bilinear")
    labels = torch.tensor(raw.target)
    scores = {"distilled": [], "random": []}
    for seed in range(2):
        torch.manual_seed(seed)
        order = torch.randperm(len(real))
        picked = torch.stack([order[labels[order] == c][0] for c in range(10)])
        test = real, labels
        scores["distilled"].append(student_accuracy(x, torch.tensor(folder.targets), test, seed))
        scores["random"].append(student_accuracy(real[picked], labels[picked], test, seed))
    assert sum(scores["distilled"]) / 2 > sum(scores["random"]) / 2 + 0.05, scores
