"Distill 200 digits with a pool that is there, shared by all processes on one run folder: shared_distill.py RUN_FOLDER POOL_FOLDER [notebook]"

import sys
from dataclasses import replace

import torch

from teddy_nb.config import get_recipe
from teddy_nb.core.devices import default_device, dist_state
from teddy_nb.data.datasets import load_data
from teddy_nb.data.images import Splits
from teddy_nb.pipeline import distill_dataset, make_pool
from teddy_nb.runs.store import Store
from teddy_nb.students.scores import result_table

MODEL = "convnet-2-8-batch"


def brief(cfg):
    return replace(cfg, n_students=2, student=MODEL, training=replace(cfg.training, epochs=4))


def recipe():
    r = get_recipe("digits_prior")
    pool = replace(r.pool, training=replace(r.pool.training, epochs=2), stages=(1, 2))
    synthesis = replace(r.synthesis, iterations=20, n_teachers=2, bn_weight="auto")
    return replace(
        r,
        model=MODEL,
        pool=pool,
        synthesis=synthesis,
        eval_hard=brief(r.eval_hard),
        eval_soft=brief(r.eval_soft),
    )


def distill(out, pool):
    train, test = load_data("digits")
    few = Splits(train.subset(torch.arange(0, 1198, 6)), test.subset(torch.arange(0, 599, 6)))
    data = Splits(*(part.to(default_device()) for part in few))
    teachers = make_pool(data, recipe(), Store(pool))
    results = distill_dataset(data, recipe(), 6, out, teachers, force=True)[1]
    if dist_state().is_main_process:
        print(result_table(results), flush=True)


if __name__ == "__main__":
    if sys.argv[3:] == ["notebook"]:
        from accelerate import notebook_launcher
        from torch.distributed.elastic.utils.distributed import get_free_port

        notebook_launcher(distill, tuple(sys.argv[1:3]), num_processes=2, use_port=str(get_free_port()))
    else:
        distill(*sys.argv[1:3])
