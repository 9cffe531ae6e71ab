"""Do images and students in bf16 score as those in fp32? CIFAR-10, three sets of ten per class each, the same teachers and labels for all.

TEDDY_DATA=FOLDER python benchmarks/precision.py OUT [--steps 100] [--epochs 60]      resumes; prints a table and keeps it in precision.json

The loss is Eq. 14, as in the presets of ImageNet and Tiny-ImageNet. Students are tested on the first 2000 test images.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import torch

from teddy_nb.bn_matching import synthesize
from teddy_nb.config import get_recipe
from teddy_nb.core.devices import default_device
from teddy_nb.data.datasets import load_data
from teddy_nb.runs.store import Store
from teddy_nb.students.scores import result_table
from teddy_nb.teachers.pool import load_pool
from teddy_nb.validation import validate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=100, help="on the pixels")
    parser.add_argument("--epochs", type=int, default=60, help="of each student")
    args = parser.parse_args()
    data, recipe = load_data("cifar10", os.environ.get("TEDDY_DATA", "data")), get_recipe("cifar10_prior")
    data = data._replace(test=data.test.subset(torch.arange(2000))).to(default_device())
    pool, results = load_pool("zoo/cifar10_small", data.train.device), []
    cfg = replace(recipe.synthesis, iterations=args.steps, class_mean_weight=0.0, groups_per_batch=10, compile=False)
    for precision in ("fp32", "bf16"):
        store, cfg = Store(args.out / precision), replace(cfg, precision=precision)
        sets = [synthesize(pool, data.train, cfg, 10, seed, store / f"set-{seed}") for seed in range(3)]
        for protocol in (recipe.eval_hard, recipe.eval_soft):
            training = replace(protocol.training, epochs=args.epochs, precision=precision, compile=False)
            student = replace(protocol, training=training, n_students=3, student=pool.teachers[0].arch)
            where = store / ("soft" if student.is_soft else "hard")
            results.append(validate(sets, pool if student.is_soft else None, data, student, precision, where))
    print(result_table(results))
    rows = [{"precision": r.method, "labels": r.labels, "accuracy": r.accuracy} for r in results]
    made = {"steps": args.steps, "epochs": args.epochs, "rows": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
