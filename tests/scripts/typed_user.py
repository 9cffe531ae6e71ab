"What a user writes, for a type checker; each ignored line is a mistake that it must see"

from pathlib import Path

from torch import Tensor

from teddy_nb.bn_matching import synthesize
from teddy_nb.config import EvalConfig, Recipe, default_recipe, get_protocol
from teddy_nb.data.datasets import load_data
from teddy_nb.data.images import ImageSet, Splits
from teddy_nb.pool_post import prune_pool
from teddy_nb.pool_prior import train_pool
from teddy_nb.runs.distilled_set import DistilledSet
from teddy_nb.students.labels import LabelledSet, load_distilled
from teddy_nb.teachers.pool import Pool, Teacher, load_pool
from teddy_nb.teachers.pretrained import load_converged

data: Splits = load_data("digits")
train: ImageSet = data.train.to("cpu")
recipe: Recipe = default_recipe("digits", "post")
converged: Teacher = load_converged("resnet18", "torchvision", data)
pool: Pool = prune_pool(data, recipe, converged).merge(train_pool(data, recipe), load_pool("zoo/digits_prior"))
drawn: list[Teacher] = pool.at_stages(1, 2).draw(2, seed=0, i=0)
made: DistilledSet = synthesize(pool.converged_only(), train, recipe.synthesis, ipc=1)
made.save(Path("set"))
labelled: LabelledSet = load_distilled("set")
protocol: EvalConfig = get_protocol("table3-batch")
pixels: Tensor = train.normalize(train.take(train.class_indices[0]))

pool.draw("two", seed=0, i=0)  # type: ignore[arg-type]
pool.at_stage(1)  # type: ignore[attr-defined]
synthesize(pool, data, recipe.synthesis, ipc=1)  # type: ignore[arg-type]
train_pool(data, "digits_prior")  # type: ignore[arg-type]
