"A detection run: shared by processes, refused in one sentence, and judged by a script that knows nothing of this package"

import json
import random
import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image
from processes import SCRIPTS, finish, launch, long, start

from teddy_nb import cli
from teddy_nb.detecting.config import get_detection_recipe

SCRIPT = "shared_detection.py"


def contents(out: Path) -> dict[str, bytes]:
    "Every file of a run but those that tell times; results without their seconds"
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    found = {name: p.read_bytes() for name, p in files.items() if p.name != "log.jsonl"}
    return found | {"results.json": [{**r, "seconds": 0} for r in json.loads(found["results.json"])]}


def makers(out: Path, what: str) -> list[str]:
    "Which process made each file of one kind"
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [line["process"] for line in lines if line.get("timed") == what]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    finish(start(SCRIPT, out))
    return out


def test_two_processes_end_with_the_bytes_of_one(alone, tmp_path):
    finish(*(start(SCRIPT, tmp_path / "run") for _ in range(2)))
    assert contents(tmp_path / "run") == contents(alone)
    assert len(makers(tmp_path / "run", "pool")) == 1
    assert len(makers(tmp_path / "run", "groups")) == 4  # Two of Teddy and of the converged detector, each made once
    assert len(makers(tmp_path / "run", "students")) == 12 == len(makers(alone, "students"))
    assert len(set(makers(tmp_path / "run", "students"))) == 2


@long
def test_processes_of_a_launcher_train_the_pool_together(tmp_path):
    launch(SCRIPTS / SCRIPT, tmp_path / "run")
    assert {r["method"] for r in json.loads((tmp_path / "run/results.json").read_text())} >= {"Teddy", "random real"}
    assert not list((tmp_path / "run").rglob("checkpoint*"))


def test_a_stranger_learns_from_the_exported_set(alone):
    "Boxes and pixels of the files belong together: a detector of another hand learns to find what the files say"
    judge, folder = runpy.run_path(str(SCRIPTS / "judge_detection.py")), str(alone / "distilled")
    items = judge["read"](folder, "train")
    names = sorted({name for _, rows in items for name, _ in rows})
    torch.manual_seed(0)
    random.seed(0)
    model = judge["build"](len(names), 64)
    judge["train"](model, items, names, 25)
    assert judge["score"](model, items, names)["map_50"] > 30


OBJECT = "<object><name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"


def voc(folder: Path, change=lambda xml: xml):
    "Two images with a dog each in VOC layout; `change` alters the annotation of the first"
    home = folder / "voc"
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (home / part).mkdir(parents=True)
    for stem in ("a", "b"):
        Image.new("RGB", (16, 12), "white").save(home / "JPEGImages" / f"{stem}.jpg")
        xml = f"<annotation><size><width>16</width><height>12</height><depth>3</depth></size>{OBJECT}</annotation>"
        (home / "Annotations" / f"{stem}.xml").write_text(change(xml) if stem == "a" else xml)
        (home / "ImageSets" / "Main" / f"{'train' if stem == 'a' else 'val'}.txt").write_text(stem)
    return home


def coco(folder: Path, change=lambda d: d):
    "Twenty images with a dog each as a COCO JSON; `change` alters its text or its contents"
    folder.mkdir()
    for i in range(20):
        Image.new("RGB", (16, 12), "white").save(folder / f"{i}.png")
    images = [{"id": i, "file_name": f"{i}.png", "height": 12, "width": 16} for i in range(20)]
    boxes = [{"id": i, "image_id": i, "category_id": 3, "bbox": [1, 1, 8, 8], "iscrowd": 0} for i in range(20)]
    d = change({"images": images, "annotations": boxes, "categories": [{"id": 3, "name": "dog"}]})
    path = folder / "coco.json"
    path.write_text(d if isinstance(d, str) else json.dumps(d))
    return path


def box(d, *xywh):
    return {**d, "annotations": [{**d["annotations"][0], "bbox": xywh}, *d["annotations"][1:]]}


def swap(a, b):
    return lambda f: voc(f, lambda xml: xml.replace(a, b))


BAD = {
    "VOC cut off": (lambda f: voc(f, lambda xml: xml[:90]), "not a whole VOC annotation"),
    "VOC without objects": (swap(OBJECT, ""), "has no image with an object"),
    "VOC with difficult objects alone": (swap("<difficult>0", "<difficult>1"), "has no image with an object"),
    "VOC box of no area": (swap("<xmax>9", "<xmax>0"), "has a box of no area"),
    "VOC box outside": (swap("<xmax>9", "<xmax>90"), "outside its 16x12 pixels"),
    "VOC class that the test part alone has": (swap("dog", "cat"), "a class that is not in the list"),
    "COCO cut off": (lambda f: coco(f, lambda d: json.dumps(d)[:200]), "is not a whole COCO JSON"),
    "COCO box of no area": (lambda f: coco(f, lambda d: box(d, 1, 1, 0, 5)), "has a box of no area"),
    "COCO box outside": (lambda f: coco(f, lambda d: box(d, 9, 1, 20, 5)), "outside its 16x12 pixels"),
    "COCO with crowds alone": (
        lambda f: coco(f, lambda d: {**d, "annotations": [{**a, "iscrowd": 1} for a in d["annotations"]]}),
        "has no image with an object",
    ),
    "fewer images than asked for": (coco, "50 images were asked for, but coco has"),
}


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_what_cannot_work_is_said_in_a_sentence(make, words, capsys, tmp_path):
    with pytest.raises(SystemExit) as e:
        at = f"--dataset={make(tmp_path / 'made')}", f"--out={tmp_path / 'run'}"
        cli.run_command("teddy_distill", ["--task=detection", "--images=50", *at])
    lines = capsys.readouterr().err.splitlines()
    assert e.value.code == 2 and words in lines[-1], lines
    assert not (tmp_path / "run").exists()


def test_a_recipe_changes_the_preset(capsys, tmp_path):
    (tmp_path / "own.toml").write_text("steps = 7\n[synthesis]\niterations = 3\nbn_weight = 0\n")
    options = ["--task=detection", "--dataset=digits", f"--recipe={tmp_path / 'own.toml'}", "--seed=5", "--show-recipe"]
    cli.run_command("teddy_distill", options)
    (tmp_path / "shown.toml").write_text(capsys.readouterr().out)
    recipe = get_detection_recipe("folder", tmp_path / "shown.toml")
    assert (recipe.steps, recipe.seed, recipe.synthesis.iterations, recipe.synthesis.bn_weight) == (7, 5, 3, 0)
    assert recipe.detector == get_detection_recipe("digits").detector
    (tmp_path / "own.toml").write_text("[pool]\nstages = [1]\n")
    with pytest.raises(SystemExit):
        cli.run_command("teddy_distill", options)
    assert "the recipe has no field 'pool'" in capsys.readouterr().err
