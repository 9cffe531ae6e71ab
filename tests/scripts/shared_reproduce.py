"Measure a small table on digits, shared by all processes on one folder: shared_reproduce.py FOLDER"

import sys
from dataclasses import replace
from pathlib import Path

from shared_distill import brief, recipe

from teddy_nb.config import DMConfig
from teddy_nb.runs.experiments import DataConfig, Experiment, reproduce, soft_label_column

if __name__ == "__main__":
    small, data = recipe(), DataConfig("digits", (0.2, 0.2))
    soft = replace(small, eval_soft=replace(brief(small.eval_soft), labels="float16"))
    column = soft_label_column("soft/digits/2", data, soft, 2)
    dm = DMConfig(3, network="convnet-2-8-instance")
    hard = replace(column[0], name="hard/digits/2/dm_real", method="dm", method_cfg=dm, eval_cfg=small.eval_hard)
    bare = Experiment("hard/digits/1/random", "random", 1, None, brief(small.eval_hard), data, soft)
    folder = Path(sys.argv[1])
    list(reproduce([*column, hard, bare], "", folder / "results", folder / "runs"))
