"The presets: each file holds exactly the numbers that the stored tables were measured with"

import json
from pathlib import Path

import pytest

from teddy_nb.config import PRESETS, PROTOCOLS, RECIPES, as_values, get_protocol, get_recipe
from teddy_nb.runs.store import without_none

STORED = json.loads((Path(__file__).parent / "recipes.json").read_text())


def test_every_preset_is_stored():
    assert STORED.keys() == {*RECIPES, *PROTOCOLS}


@pytest.mark.parametrize("name", STORED)
def test_a_preset_keeps_its_values(name):
    cfg = get_recipe(name) if name in RECIPES else get_protocol(name)
    values = {k: v for k, v in as_values(cfg).items() if k != "alternatives" and (k != "name" or name in RECIPES)}
    assert json.loads(json.dumps(values)) == without_none(STORED[name])


@pytest.mark.parametrize("name", RECIPES)
def test_the_papers_presets_cite_it(name):
    lines = (PRESETS / f"{name}.toml").read_text().splitlines()
    values = [line for line in lines if "=" in line and not line.startswith(("name", "model", "based_on"))]
    assert "imagenet_" not in name or sum("#" in line for line in values) > 0.7 * len(values)
