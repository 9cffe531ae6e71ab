"""What it costs to make pools.

trajectory  training that keeps every epoch, against the same training that keeps nothing; random images of CIFAR-10's size
cifar10     the prior and the post pool of CIFAR-10: accuracies, epochs and seconds, from folders under --out if they are whole

Each case prints one JSON line and is stored in pools.json beside this script.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from teddy_nb.config import get_recipe
from teddy_nb.core.devices import generator
from teddy_nb.data.datasets import load_data
from teddy_nb.data.images import ClassInfo, ImageSet, Splits
from teddy_nb.pool_post import prune_pool
from teddy_nb.pool_prior import train_pool, train_trajectory
from teddy_nb.runs.store import Store, environment
from teddy_nb.teachers.pool import make_teacher, write_teacher
from teddy_nb.teachers.training import accuracy, fit, new_model

RECIPE = get_recipe("cifar10_prior")


def timed(work, *args) -> float:
    start = time.perf_counter()
    work(*args)
    return time.perf_counter() - start


def random_images(n: int) -> ImageSet:
    gen = generator(0, "benchmark")
    images = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=gen)
    classes = tuple(ClassInfo(i, str(i), str(i)) for i in range(10))
    return ImageSet("random", images, torch.arange(n) % 10, classes, (0.5,) * 3, (0.25,) * 3)


def trajectory(args) -> dict:
    data = Splits(random_images(5000), random_images(1000))
    training = replace(RECIPE.pool.training, epochs=2, precision="fp32", compile=False)

    def plain(score=False):
        model = new_model(RECIPE.model, data.train, 0)
        fit(model, data.train, training, 0, on_epoch=lambda *_: score and accuracy(model, data.test))

    def kept():
        train_trajectory(data, RECIPE.model, training, 0)

    variants = {"plain_s": plain, "scored_s": lambda: plain(score=True), "kept_s": kept}
    times = {name: [] for name in variants}
    for _ in range(args.rounds):
        for name, work in variants.items():
            times[name].append(timed(work) / training.epochs)
    medians = {name: statistics.median(t) for name, t in times.items()}
    with tempfile.TemporaryDirectory() as folder:
        model = new_model(RECIPE.model, data.train, 0)
        keeping = timed(lambda: write_teacher(make_teacher(model, RECIPE.model, 1, 0.1, data.train), Path(folder), {}))
    ratio = medians["kept_s"] / medians["scored_s"]
    return {
        **medians,
        "keeping_s": keeping,
        "kept_over_scored": ratio,
        "keeping_share": keeping / medians["plain_s"],
        "images": 5000,
    }


def cifar10(args) -> dict:
    data, post = load_data("cifar10", args.root), get_recipe("cifar10_post")
    prior = train_pool(data, RECIPE, Store(f"{args.out}/cifar10_prior"))
    pruned = prune_pool(data, post, prior, Store(f"{args.out}/cifar10_post"))
    members = [
        {
            "target_accuracy": t.target_accuracy,
            "accuracy": t.accuracy,
            "epochs": t.stage,
            "seconds": t.seconds,
            "macs": t.macs,
            "params": t.params,
        }
        for t in pruned.teachers
    ]
    spent = {"epochs": sum(t.stage for t in pruned.teachers), "seconds": sum(t.seconds for t in pruned.teachers)}
    whole = {
        "epochs": prior.converged.stage,
        "seconds": prior.seconds,
        "macs": prior.converged.macs,
        "params": prior.converged.params,
    }
    return {"model": RECIPE.model, "curve": prior.curve, "prior": whole, "post": {**spent, "members": members}}


CASES = {"trajectory": trajectory, "cifar10": cifar10}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append", help="all of them if not given")
    parser.add_argument("--root", default="data", help="where CIFAR-10 lies")
    parser.add_argument("--out", default="runs", help="where the pools of CIFAR-10 are kept")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each variant")
    args = parser.parse_args()
    path = Path(__file__).with_suffix(".json")
    stored = json.loads(path.read_text()) if path.exists() else {}
    for case in args.case or CASES:
        hardware = {
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "accelerator": torch.accelerator.is_available(),
        }
        stored[case] = {"case": case, **CASES[case](args), "environment": {**environment(), **hardware}}
        print(json.dumps(stored[case]))
        path.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
