"timm's networks: narrowed, pruned, kept in a pool and read back"

from dataclasses import replace

import pytest
import torch

from teddy_nb.config import PostPoolConfig, TrainConfig, get_recipe
from teddy_nb.core.errors import BadInput
from teddy_nb.data.datasets import load_data
from teddy_nb.pool_post import prune_pool
from teddy_nb.runs.store import Store
from teddy_nb.teachers.models import build_model
from teddy_nb.teachers.pool import load_pool
from teddy_nb.teachers.pretrained import load_converged, read_pretrained

timm = pytest.importorskip("timm", reason="the optional package timm is not installed")
ARCH = "timm-test_efficientnet"


def test_a_checkpoint_is_pruned_and_read_back(tmp_path):
    data = load_data("digits", size=32)
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", num_classes=10, in_chans=1).eval()
    torch.save(model.state_dict(), tmp_path / "net.pth")
    converged = load_converged(ARCH, tmp_path / "net.pth", data)
    x = data.test.normalize(data.test.images[:4])
    torch.testing.assert_close(converged.model(x), model(x))
    cfg = PostPoolConfig(TrainConfig(1, 64, 0.1), 2, macs_ratio=0.7, finetune=TrainConfig(0, 64, 0.1))
    recipe = replace(get_recipe("digits_post"), model=ARCH, pool=cfg)
    made = prune_pool(data, recipe, converged, Store(tmp_path / "pool"))
    assert made.teachers[0].macs < 0.8 * converged.macs
    for a, b in zip(made.teachers, load_pool(tmp_path / "pool").teachers, strict=True):
        torch.testing.assert_close(a.model(x), b.model(x))


def test_weights_by_name_bring_size_normalization_and_classes(monkeypatch):
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: create(name, pretrained=False))
    found = read_pretrained(ARCH, "timm")
    cfg = create("test_efficientnet").pretrained_cfg
    assert (found.size, found.mean_std) == (cfg["input_size"][-1], (tuple(cfg["mean"]), tuple(cfg["std"])))
    assert len(found.categories) == 1000 and found.categories[497] == "church"


def test_unknown_names_are_one_sentence():
    with pytest.raises(BadInput, match="timm has no model 'nowhere'"):
        build_model("timm-nowhere", 3, 10, 32)
    with pytest.raises(BadInput, match="timm has no weights 'none_such'"):
        read_pretrained(ARCH, "none_such")
