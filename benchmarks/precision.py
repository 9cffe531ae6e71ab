"""Do images and students in bf16 score as those in fp32? CIFAR-10, three sets of ten per class each, the same labels for all.

TEDDY_DATA=FOLDER python benchmarks/precision.py OUT [--steps 200] [--epochs 60]      resumes; prints a table last
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

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
    parser.add_argument("--steps", type=int, default=200, help="on the pixels")
    parser.add_argument("--epochs", type=int, default=60, help="of each student")
    args = parser.parse_args()
    data, recipe = (
        load_data("cifar10", os.environ.get("TEDDY_DATA", "data")).to(default_device()),
        get_recipe("cifar10_prior"),
    )
    pool, results = load_pool("zoo/cifar10_small", data.train.device), []
    for precision in ("fp32", "bf16"):
        cfg = replace(recipe.synthesis, iterations=args.steps, precision=precision, compile=False)
        cfg = replace(cfg, n_teachers=min(cfg.n_teachers, len(pool)))
        store = Store(args.out / precision)
        sets = [synthesize(pool, data.train, cfg, 10, seed, store / f"set-{seed}") for seed in range(3)]
        for protocol in (recipe.eval_hard, recipe.eval_soft):
            training = replace(protocol.training, epochs=args.epochs, precision=precision, compile=False)
            student = replace(protocol, training=training, n_students=3, student=pool.teachers[0].arch)
            where = store / ("soft" if student.is_soft else "hard")
            results.append(validate(sets, pool if student.is_soft else None, data, student, precision, where))
    print(result_table(results))


if __name__ == "__main__":
    main()
