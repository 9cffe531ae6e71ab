"The pools and sets that come with the package"

import pytest
import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor

from teddy_nb import load, load_pool
from teddy_nb.runs.distilled_set import read_set
from teddy_nb.runs.files import read_json, zoo

SETS = [name for name in zoo() if name.startswith("zoo/sets/")]


def test_sets_of_both_data_and_sizes_are_small():
    names = "cifar100_1", "cifar100_10", "cifar10_1", "cifar10_10", "digits_1", "digits_10"
    assert SETS == [f"zoo/sets/{name}" for name in names]
    assert sum(p.stat().st_size for name in SETS for p in zoo()[name].rglob("*")) < 6e6


@pytest.mark.parametrize("name", SETS)
def test_set_is_as_it_was_written(name):
    "Its digest of pixels, classes and constants holds, and any software reads the same images"
    found, folder = read_set(name), zoo()[name]
    opened = ImageFolder(folder)
    grey = "L" if found.channels == 1 else "RGB"
    pixels = torch.stack([pil_to_tensor(x.convert(grey)) for x, _ in opened])
    assert torch.equal(pixels, found.images) and opened.targets == found.labels.tolist()
    assert len(load(name)) == len(found) == found.n_classes * found.ipc


@pytest.mark.parametrize("name", SETS)
def test_card_names_makers_and_scores(name):
    card, results = (zoo()[name] / "README.md").read_text(), read_json(zoo()[name] / "results.json")
    assert "made by: " in card and "teachers: " in card and "licence of the source: " in card
    for r in results:
        assert f"{sum(r['accuracy']) / len(r['accuracy']):.1f} %" in card and r["protocol"]["student"] in card


@pytest.mark.parametrize("name", sorted(zoo().keys() - {*SETS}))
def test_pool_can_be_read(name):
    assert load_pool(name).teachers
