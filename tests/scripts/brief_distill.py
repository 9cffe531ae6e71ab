"Distill the digits with a recipe that takes seconds: brief_distill.py RUN_FOLDER [IPC]"

import sys
from dataclasses import replace

from teddy_nb.config import get_recipe
from teddy_nb.core.devices import default_device
from teddy_nb.data.datasets import load_data
from teddy_nb.pipeline import distill_dataset


def brief(cfg):
    return replace(cfg, n_students=1, training=replace(cfg.training, epochs=3))


recipe = get_recipe("digits_prior")
recipe = replace(
    recipe,
    pool=replace(recipe.pool, training=replace(recipe.pool.training, epochs=3), stages=(1, 2, 3)),
    synthesis=replace(recipe.synthesis, iterations=25),
    eval_hard=brief(recipe.eval_hard),
    eval_soft=brief(recipe.eval_soft),
)
ipc = int(sys.argv[2]) if len(sys.argv) > 2 else 3
distill_dataset(load_data("digits").to(default_device()), recipe, ipc, sys.argv[1])
