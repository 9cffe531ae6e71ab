"Measure a small table on digits, shared by all processes on one folder: shared_reproduce.py FOLDER"

import sys
from dataclasses import replace
from pathlib import Path

from shared_distill import brief, recipe

from teddy_nb.config import DMConfig
from teddy_nb.reproduce.experiment import DataConfig, Experiment, TeacherConfig, reproduce

if __name__ == "__main__":
    small, data = recipe(), DataConfig("digits", (0.2, 0.2))
    soft, teachers = (
        replace(brief(small.eval_soft), labels="float16"),
        TeacherConfig(small.model, small.pool, small.seed),
    )
    random = Experiment("soft/digits/2/random", "random", 2, data, soft, None, teachers)
    teddy = replace(random, name="soft/digits/2/teddy", method="teddy", method_cfg=small.synthesis)
    one = replace(small.synthesis, n_teachers=1, first_bn_multiplier=10.0)
    sre2l = replace(teddy, name="soft/digits/2/sre2l", method="sre2l", method_cfg=one)
    dm = Experiment(
        "hard/digits/2/dm_real", "dm", 2, data, small.eval_hard, DMConfig(3, network="convnet-2-8-instance")
    )
    bare = Experiment("hard/digits/1/random", "random", 1, data, brief(small.eval_hard))
    folder = Path(sys.argv[1])
    list(reproduce([random, sre2l, teddy, dm, bare], "", folder / "results", folder / "runs"))
