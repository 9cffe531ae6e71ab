"A network, a protocol and students of one's own: pools of it, an average of the weights, several students in one call"

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from teddy_nb.cli import read_data_and_weights, run_command
from teddy_nb.config import PostPoolConfig, PriorPoolConfig, TrainConfig, get_protocol, get_recipe
from teddy_nb.core.devices import derive_seed
from teddy_nb.core.errors import BadInput
from teddy_nb.data.datasets import load_data
from teddy_nb.pool_post import prune_pool
from teddy_nb.pool_prior import train_pool
from teddy_nb.runs.store import Store
from teddy_nb.students.epoch_augment import StudentAugConfig, StudentAugment
from teddy_nb.teachers.models import register_model
from teddy_nb.teachers.pool import Pool, load_pool, normalized
from teddy_nb.teachers.training import accuracy, fit, new_model, predict_classes
from teddy_nb.validation import random_real, student_score, validate

BRIEF = TrainConfig(2, 32, 0.05)


class Tiny(nn.Sequential):
    def __init__(self, channels, n_classes, size):
        super().__init__(
            nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(32, n_classes),
        )  # fmt: skip


@pytest.fixture(scope="module")
def data():
    data = load_data("digits", size=8)
    return type(data)(*(part.subset(torch.arange(200)) for part in data))


def test_a_registered_network_makes_both_kinds_of_pool(data, tmp_path):
    recipe = replace(get_recipe("digits_prior"), model=register_model("tiny", Tiny))
    prior = train_pool(data, replace(recipe, pool=PriorPoolConfig(BRIEF, (1, 2))), Store(tmp_path / "prior"))
    trained = Pool.from_model(prior.converged.model, data, "tiny")
    post = PostPoolConfig(BRIEF, 2, finetune=TrainConfig(0.5, 32, 0.05))
    pruned = prune_pool(data, replace(recipe, pool=post), trained, Store(tmp_path / "post"))
    assert [t.stage for t in prior.teachers] == [1, 2]
    assert all(t.macs < trained.converged.macs and len(t.model[1].weight) < 8 for t in pruned.teachers)
    x = data.test.normalize(data.test.images[:4])
    for kind, made in (("prior", prior), ("post", pruned)):
        again = load_pool(tmp_path / kind)
        assert all(torch.equal(a.model(x), b.model(x)) for a, b in zip(made.teachers, again.teachers, strict=True))


def test_a_student_does_not_begin_as_the_training_of_its_number(data):
    began = []

    class Watched(Tiny):
        def __init__(self, *size):
            super().__init__(*size)
            began.append(self[0].weight.sum().item())

    name = register_model("watched", Watched)
    train_pool(data, replace(get_recipe("digits_prior"), model=name, seed=3, pool=PriorPoolConfig(BRIEF, (2,))))
    trained = {*began}
    began.clear()
    student_score(
        random_real(data.train, 2, 0), None, data.test, replace(get_protocol("dm"), student=name, training=BRIEF), 3
    )
    assert began and trained.isdisjoint(began)


def test_the_average_of_the_weights_is_what_is_scored(data):
    cfg = replace(get_protocol("dm"), student="convnet-1-4-instance", training=BRIEF, ema=0.75, n_students=1)
    few, steps = random_real(data.train, 4, 0), []
    model = new_model(cfg.student, few, derive_seed("student", 3))
    look = lambda done: steps.append([p.detach().clone() for p in model.parameters()])
    plain = student_score(few, None, data.test, replace(cfg, ema=None), 3)
    found = student_score(few, None, data.test, cfg, 3)
    assert found != plain
    fit(model, few, BRIEF, 3, StudentAugment(few, StudentAugConfig.from_eval(cfg, 3)), on_step=look)
    average = steps[0]
    for step in steps[1:]:
        average = [0.75 * a + 0.25 * p for a, p in zip(average, step, strict=True)]
    torch.nn.utils.vector_to_parameters(torch.cat([a.flatten() for a in average]), model.parameters())
    right = (predict_classes(model, data.test) == data.test.labels).float().mean().item()
    assert right == pytest.approx(found.curve[-1], abs=1e-6)


def test_several_students_are_one_call(data):
    cfg = replace(get_protocol("dm"), training=BRIEF, n_students=1)
    few, names = random_real(data.train, 2, 0), ["convnet-1-4-instance", "convnet-2-4-instance"]
    results = validate(few, None, data, cfg, "real", students=names)
    assert [r.method for r in results] == [f"real, {name}" for name in names]
    alone = validate(few, None, data, replace(cfg, student=names[1]), "real")
    assert results[1].accuracy == alone.accuracy and results[1].protocol == alone.protocol


def test_a_command_takes_the_constants_of_foreign_weights(tmp_path):
    recipe = replace(get_recipe("digits_post"), model="convnet-1-4-batch")
    network = new_model(recipe.model, load_data("digits").train, 0)
    torch.save(network.state_dict(), tmp_path / "net.pth")
    read = partial(read_data_and_weights, "digits", "", 0, False, str(tmp_path / "net.pth"), recipe)
    data, converged = read(mean_std=("0.25", "0.5"))
    assert (data.train.mean, data.test.std) == ((0.25,), (0.5,))
    assert converged.accuracy == accuracy(network, normalized(load_data("digits"), ((0.25,), (0.5,))).test)
    for wrong, sentence in ((("0.25", ""), "give all three"), (("a", "0.5"), "'a' is no list"), (("2", "1"), "mean")):
        with pytest.raises(BadInput, match=sentence):
            read(mean_std=wrong)


def test_a_command_leaves_the_group_of_its_processes(monkeypatch):
    left = []
    state = SimpleNamespace(num_processes=2, is_main_process=True, destroy_process_group=lambda: left.append("left"))
    monkeypatch.setattr("teddy_nb.core.devices.dist_state", lambda: state)
    monkeypatch.setattr("teddy_nb.cli.teddy_export", lambda: left.append("done"))
    run_command("teddy_export", [])
    assert left == ["done", "left"]
