"Save twenty random digits, and their labels by an untrained teacher, an epoch after the other: slow_labels.py FOLDER PAUSE"

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from teddy_nb.config import get_recipe
from teddy_nb.data.datasets import load_data
from teddy_nb.runs.store import Store
from teddy_nb.students.labels import make_labels
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.teachers.training import new_model
from teddy_nb.validation import random_real


class Slow(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        time.sleep(float(sys.argv[2]))
        return self.model(x)


train, _ = load_data("digits")
data, recipe = random_real(train, 2, 0), get_recipe("digits_prior").eval_soft
recipe = replace(recipe, training=replace(recipe.training, epochs=20))
teacher = make_teacher(new_model("convnet-2-8-batch", train, 0), "convnet-2-8-batch", 1, 0.1, train)
pool = Pool("prior", (teacher,), teacher, train.classes, train.channels, train.size, train.mean, train.std)
out = Path(sys.argv[1])
if not (out / "distilled").exists():
    data.save(out / "distilled")
slow = replace(teacher, model=Slow(teacher.model).eval())
make_labels(data, replace(pool, teachers=(slow,)), recipe, Store(out / "labels"))
