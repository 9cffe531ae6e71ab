"Data as people have it: what was read is said, a folder with two readings is refused, and nothing wrong is silent"

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from torch.utils.data import TensorDataset

from teddy_nb import cli
from teddy_nb.config import get_recipe
from teddy_nb.core.devices import dist_state
from teddy_nb.core.errors import BadInput
from teddy_nb.data.datasets import image_folder, load_data
from teddy_nb.data.images import ImageFiles, Splits
from teddy_nb.detecting.data import load_detection
from teddy_nb.pipeline import hold_out
from teddy_nb.runs.store import write_settings


def picture(i, size=(16, 16), mode="RGB"):
    return Image.new("RGB", size, (i * 67 % 256, (i * 29 + 40) % 256, (i * 151 + 9) % 256)).convert(mode)


def paint(root: Path, folders: dict[str, int], ending: str = "png", mode: str = "RGB", start: int = 0) -> Path:
    "Fill folders with pictures, all different"
    for k, (folder, n) in enumerate(folders.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(start, start + n):
            picture(50 * k + i, mode=mode).save(root / folder / f"{i:03d}.{ending}")
    return root


def described(splits: Splits) -> tuple[list[str], list[int], list[int]]:
    return [c.folder for c in splits.train.classes], splits.train.counts.tolist(), splits.test.counts.tolist()


PARTS = ["train valid", "Train Test", "training testing", "TRAIN dev", "train validation", "seg_train seg_test"]
PARTS += [
    "train_images test_images",
    "trainset testset",
    "ILSVRC_img_train ILSVRC_img_val",
    "train val test",
    "train test extra",
]


@pytest.mark.parametrize("names", PARTS)
def test_parts_are_known_by_their_usual_names(names, tmp_path):
    train, *others = names.split()
    paint(tmp_path, {f"{train}/cat": 4, f"{train}/dog": 3, f"{others[0]}/cat": 2, f"{others[0]}/dog": 2})
    paint(tmp_path, {f"{n}/{c}": 1 for n in others[1:] for c in ("cat", "dog")}, start=20)
    assert described(load_data(tmp_path)) == (["cat", "dog"], [4, 3], [1, 1] if "test" in others[1:] else [2, 2])


def nested(root):
    return paint(root / "zip" / "seg_train", {"seg_train/cat": 3, "seg_train/dog": 3}).parent


LAYOUTS = {
    "class first": (lambda d: paint(d, {f"{c}/{p}": n for c in ("cat", "dog") for p, n in (("train", 3), ("test", 2))}), [3, 3]),
    "class first with masks": (
        lambda d: paint(d, {f"{c}/{p}": 2 for c in ("cat", "dog") for p in ("train", "test/good", "ground_truth")}), [2, 2],
    ),
    "a zip in a folder": (lambda d: paint(d, {"pets/pets/train/cat": 3, "pets/pets/train/dog": 3, "pets/pets/val/cat": 1, "pets/pets/val/dog": 1}), [3, 3]),
    "parts in parts": (lambda d: paint(nested(d) / "seg_test", {"seg_test/cat": 1, "seg_test/dog": 1}).parent, [3, 3]),
    "accents in two forms": (
        lambda d: paint(d, {"train/cafe\u0301": 2, "train/tea": 2, "val/caf\u00e9": 1, "val/tea": 1}), [2, 2],
    ),
    "classes called like parts": (lambda d: paint(d, {"bullet_train": 20, "blood_test": 20}), None),
}  # fmt: skip


@pytest.mark.parametrize(("make", "train"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_is_read(make, train, tmp_path):
    splits = load_data(make(tmp_path))
    assert splits.train.n_classes == 2 and splits.train.counts.tolist() == (train or splits.train.counts.tolist())


def torn(folder):
    path = sorted(folder.rglob("*.png"))
    for p in (path[0], path[-1]):
        p.write_bytes(p.read_bytes()[:60])
    return folder


def deep(folder):
    paint(folder, {"a": 4, "b": 4})
    Image.fromarray(np.ones((4, 4), np.float32)).save(folder / "a" / "x.tif")
    return folder


def heic(folder):
    paint(folder, {"a": 0, "b": 0})
    for c in ("a", "b"):
        (folder / c / "1.cr2").write_bytes(b"raw")
    return folder


def one_for_test(folder):
    paint(folder, {"train/a": 3, "train/b": 3, "val/a": 2, "val/b": 0})
    return folder


def linked(folder):
    paint(folder, {"a": 4, "b": 4})
    (folder / "b" / "gone.png").symlink_to("nowhere.png")
    return folder


REFUSED = {
    "train and eval": (lambda d: paint(d, {"train/a": 2, "train/b": 2, "eval/a": 1, "eval/b": 1}), "called test or val"),
    "val and test": (lambda d: paint(d, {"val/a": 2, "val/b": 2, "test/a": 1, "test/b": 1}), "lacks a folder called train"),
    "parts without classes": (lambda d: paint(d, {"train": 3, "test": 3}), "two ways: as the parts train and test"),
    "two pairs": (lambda d: paint(d, {f"{p}/{c}": 1 for p in ("train", "val", "train_v2", "val_v2") for c in "ab"}), "two ways: by"),
    "train twice": (lambda d: paint(d, {f"{p}/{c}": 1 for p in ("train", "Training", "val") for c in "ab"}), "both be the part train"),
    "some classes with parts": (lambda d: paint(d, {"a/train": 2, "a/test": 2, "b": 3}), "a holds train and test but b does not"),
    "a class without its test part": (
        lambda d: paint(d, {"a/train": 2, "a/test": 1, "b/train": 2, "b/val": 1}), "holds no val part",
    ),
    "an unlabelled test part": (lambda d: paint(d, {"train/a": 2, "train/b": 2, "test": 2}), "--dataset"),
    "other classes in the test part": (
        lambda d: paint(d, {"train/a": 2, "train/b": 2, "val/a": 1, "val/c": 1}), "val has no class b, but c",
    ),
    "the test part's classes in capitals": (
        lambda d: paint(d, {f"{p}/{c}": 2 for p, cs in (("train", "abc"), ("test", "ABC")) for c in cs}),
        "test holds the folders A, B, C, and train the classes a, b, c",
    ),
    "an empty class in the test part": (one_for_test, "no test images of class b"),
    "a class of one image": (lambda d: paint(d, {"a": 5, "b": 1}), "one stands in for a, where the hash chose none)"),
    "no class folder": (lambda d: paint(d, {"": 5}), "but 5 .png"),
    "endings that nobody reads": (heic, "passed over: 2 .cr2"),
    "two torn files": (lambda d: torn(paint(d, {"a": 4, "b": 4})), "2 files cannot be used"),
    "floating point": (deep, "do not say how bright white is"),
    "a link to nothing": (linked, "gone.png is a link to nothing"),
    "a class of hidden files alone": (lambda d: paint(d, {"a": 4, "b/.ipynb_checkpoints": 4}), "training images of class b"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_folder_that_cannot_be_meant_is_refused_in_a_sentence(make: Callable, sentence: str, tmp_path):
    with pytest.raises(BadInput) as e:
        load_data(make(tmp_path))
    assert sentence in str(e.value) and "\n" not in str(e.value)


def leftovers(root):
    paint(root, {"a/.ipynb_checkpoints": 5, "a/@eaDir": 5, "__MACOSX/a": 5, ".git/x": 5})
    (root / "a" / "._000.png").write_bytes(b"mac")
    (root / "a" / "Thumbs.db").write_bytes(b"windows")


def phone(root):
    for name in ("1.HEIC", "2.cr2", "notes.txt", "no_ending"):
        (root / "a" / name).write_bytes(b"x")


def link_to_files(root):
    for i in range(10):
        (root / "a" / f"again{i}.png").symlink_to(root / "a" / f"{i:03d}.png")


SAID = {
    "leftovers": (leftovers, 20, "hidden or left over"),
    "endings": (phone, 20, "1 .cr2"),
    "links": (link_to_files, 30, "10 links to files counted"),
    "a loop": (lambda d: (d / "a" / "loop").symlink_to(d / "a"), 20, "1 link to a folder that is read already"),
    "images beside the classes": (lambda d: paint(d, {"": 2}, start=30), 20, "images beside the class folders"),
    "jfif and gif": (lambda d: [picture(i + 90).save(d / "b" / f"{i}.{e}", f) for i, (e, f) in enumerate((("jfif", "JPEG"), ("gif", "GIF")))], 22, ""),
    "a copy in both parts": (lambda d: [shutil.copy(d / "a" / "000.png", d / "a" / f"copy{i}.png") for i in range(9)], 29, "also in the training part"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "n", "note"), SAID.values(), ids=SAID)
def test_what_was_passed_over_is_said(change, n, note, tmp_path):
    change(paint(tmp_path, {"a": 10, "b": 10}))
    splits = load_data(tmp_path)
    assert len(splits.train) + len(splits.test) == n and note in splits.summary()
    real = [{os.path.realpath(tmp_path / f) for f in part.files} for part in splits]
    assert not real[0] & real[1]


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("1", 1), ("P", 3), ("RGBA", 3), ("CMYK", 3), ("LA", 1)])
def test_every_mode_is_read_and_grey_stays_grey(mode, channels, tmp_path):
    ending = "tif" if mode == "CMYK" else "png"
    splits = load_data(paint(tmp_path, {"a": 12, "b": 12}, ending, mode))
    assert splits.train.channels == channels and splits.train.images.unique().numel() > 2 - (mode == "1")
    assert load_data(tmp_path, channels=4 - channels).train.channels == 4 - channels


def test_scans_darker_than_others_are_said(tmp_path):
    for name, scale in (("a", 257), ("b", 16)):
        (tmp_path / name).mkdir()
        for i in range(4):
            scan = np.arange(200 + i, 216 + i, dtype=np.uint16)[None].repeat(16, 0)
            Image.fromarray(scan * scale).save(tmp_path / name / f"{i}.png")
    assert "4 files of 16 bits, dark for they use 12 or fewer where others use 16" in load_data(tmp_path).summary()


@pytest.mark.parametrize(("bits", "brightest"), [(10, 249), (12, 249), (14, 249), (16, 249)])
def test_scans_are_as_bright_as_their_bits(bits, brightest, tmp_path):
    paint(tmp_path, {"a": 0, "b": 0})
    for i in range(8):
        values = np.linspace(0, (1 << bits) * 0.975, 64).reshape(8, 8) - i
        Image.fromarray(values.clip(0).astype(np.uint16)).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    splits = load_data(tmp_path, size=8)
    assert abs(splits.train.images.max().item() - brightest) <= 1 and ("white is" in splits.summary()) == (bits < 16)


def test_a_folder_that_grows_keeps_every_file_on_its_side(tmp_path):
    before = load_data(paint(tmp_path, {"a": 40, "b": 40}))
    after = load_data(paint(tmp_path, {"a": 40, "b": 40, "c": 10}, start=40))
    for old, new in zip(before, after, strict=True):
        assert {*old.files} <= {*new.files}


@pytest.mark.parametrize("in_memory", [100, 10, 0])  # Images: both parts, the test part alone, none
def test_a_set_is_scored_on_the_files_that_its_run_held_out(in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr("teddy_nb.data.images.IN_MEMORY_BYTES", in_memory * 3 * 16 * 16)
    splits = image_folder(paint(tmp_path / "pets", {"a": 10, "b": 10}), mean_std=((0.5,) * 3, (0.25,) * 3))
    mine = tuple(sorted(splits.train.files)[::4])
    (tmp_path / "run").mkdir()
    write_settings(tmp_path / "run" / "recipe.toml", {"data": {"held_out": [*mine, "a/gone.png"]}})
    held = hold_out(splits, tmp_path / "run")
    assert {*held.test.files} == {*mine} and len(held.train) + len(held.test) == 20
    assert all(isinstance(part.images, ImageFiles) == (in_memory < 100) for part in held)
    before = {f: x for part in splits for f, x in zip(part.files, part.take(torch.arange(len(part))), strict=True)}
    after = {f: x for part in held for f, x in zip(part.files, part.take(torch.arange(len(part))), strict=True)}
    assert before.keys() == after.keys() and all(torch.equal(x, after[f]) for f, x in before.items())


def test_turned_photos_are_upright(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for c in ("a", "b"):
        (tmp_path / c).mkdir()
        for i in range(6):
            photo = picture(i, (32, 32))
            photo.paste((255, 255, 255), (0, 0, 32, 16))
            photo.save(tmp_path / c / f"{i}.jpg", exif=exif)
    x = load_data(tmp_path, size=16).train.images[0]
    assert x[:, :, 9:].min() > 230 > x[:, :, :7].min()


def test_a_folder_called_like_a_set_is_read_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(paint(tmp_path, {"digits/a": 5, "digits/b": 5}).resolve())
    assert "the folder ./digits is another set" in load_data("digits").summary()
    own = load_data("./digits")
    assert own.train.n_classes == 2 and "UCI" not in own.train.origin.licence


def test_dry_run_says_what_was_read_and_stops(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    paint(tmp_path / "pets", {"a": 5, "b": 5, "c": 5})
    np.savez(
        tmp_path / "med.npz",
        train_images=np.arange(1280, dtype=np.uint8).reshape(20, 8, 8),
        train_labels=np.arange(20)[:, None] % 2,
    )
    for command, dataset in (("teddy_distill", "pets"), ("teddy_pool", "med.npz")):
        cli.run_command(command, ["--dataset", dataset, "--dry-run"])
    printed = capsys.readouterr().err
    assert "pets: 3 classes (a, b, c), 3x16x16 pixels" in printed.replace(f" ({tmp_path.resolve() / 'pets'})", "")
    assert "med (med.npz): 2 classes (0, 1), 1x8x8 pixels" in printed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["med.npz", "pets"]


def coco(folder: Path, n: int, classes: Callable[[int], int], size: tuple[int, int] = (40, 30), **saved) -> str:
    "Write photos with a red square each, and their COCO JSON"
    images, boxes = [], []
    for i in range(n):
        photo = Image.new("RGB", (40, 30), "gray")
        photo.paste((255, 0, 0), (5, 5, 21, 21))
        photo.transpose(saved.get("turn", Image.Transpose.ROTATE_180)).save(
            folder / f"{i}.png", exif=saved.get("exif", Image.Exif())
        )
        images.append({"id": i, "file_name": f"{i}.png", "width": size[0], "height": size[1]})
        boxes.append({"id": i, "image_id": i, "category_id": classes(i), "bbox": [5, 5, 16, 16], "iscrowd": 0})
    categories = [{"id": i, "name": f"c{i}"} for i in range(max(map(classes, range(n))) + 1)]
    (folder / "set.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return str(folder / "set.json")


@pytest.mark.parametrize("size", [(40, 30), (30, 40)], ids=["stated as shown", "stated as held"])
def test_boxes_lie_on_turned_photos_as_they_are_shown(size, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = load_detection(coco(tmp_path, 12, lambda i: i % 2, size, turn=Image.Transpose.ROTATE_90, exif=exif), size=40)
    left, top, right, bottom = data.train.boxes[0].xyxy[0].int().tolist()
    assert data.train.images[0][0, top:bottom, left:right].min() > 250


def test_a_class_of_one_image_with_boxes_is_for_training(tmp_path):
    for alone in range(12):
        data = load_detection(coco(tmp_path, 12, lambda i, a=alone: 2 if i == a else i % 2), size=32)
        assert data.train.counts.tolist()[2] == 1 and (data.test.counts[:2] > 0).all() and "c2" in data.summary()


def test_photos_that_cannot_be_opened_are_named_together(tmp_path):
    path = coco(tmp_path, 12, lambda i: i % 2)
    (tmp_path / "3.png").write_bytes(b"torn")
    (tmp_path / "5.png").write_bytes(b"")
    with pytest.raises(BadInput, match=r"2 files cannot be used: .*3.png cannot be read .*5.png cannot be read"):
        load_detection(path)


X, Y = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8), np.arange(20) % 2


class Hub(list):
    "A likeness of a Hugging Face dataset: rows, and a feature for each column"

    def __init__(self, names=("cat", "dog"), **kinds):
        super().__init__(
            {c: Image.fromarray(x) if k == "Image" else int(y) for c, k in kinds.items()}
            for x, y in zip(X, Y, strict=True)
        )
        self.features = {c: type(k, (), {"names": [*names]})() for c, k in kinds.items()}

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


class Streamed:
    features = Hub(image="Image", label="ClassLabel").features

    def __iter__(self):
        return iter([])


class Table:
    "A likeness of a table of pandas: what it holds is found by names"

    def __len__(self):
        return 20

    def __getitem__(self, key):
        raise KeyError(key)


ARRAYS_REFUSED = {
    "four channels": ((np.zeros((20, 8, 8, 4), np.uint8), Y), "images of 20x8x8x4 are none of"),
    "channels at both ends": ((np.zeros((20, 3, 8, 3), np.uint8), Y), "are both of"),
    "rows of features": ((np.zeros((20, 64)), Y), "images of 20x64 are none of"),
    "normalized": ((X / 127 - 1, Y), "give 0 to 255, or 0 to 1, not normalized"),
    "not a number": ((np.full(X.shape, np.nan), Y), "values from nan to nan"),
    "12 bits": ((X.astype(np.uint16) * 16, Y), "have values from"),
    "one image": ((X[0], Y[:1]), "labels of 1 do not fit 8 images"),
    "fewer labels": ((X, Y[:19]), "labels of 19 do not fit 20 images"),
    "one-hot labels": ((X, np.eye(2)[Y]), "labels.argmax(1)"),
    "labels from 1": ((X, Y + 1), "no training images of class 0"),
    "labels as text": ((X, np.array(["cat", "dog"] * 10)), "text (cat, dog); labels become numbers by"),
    "many labels an image": ((X, np.ones((20, 3))), "one number each, for an image has one class"),
    "labels that are fractions": (TensorDataset(torch.tensor(X), torch.linspace(0, 2.99, 20)), "give whole numbers"),
    "between fractions and bytes": ((X / 200, Y), "values from 0 to 1.2"),
    "rows with names": ([{"image": x, "label": 0} for x in X], "list does not give pairs of an image and a label"),
    "a part without labels": ({"train": (X, Y), "test": (X, None)}, "must be numbers"),
    "a table": (Table(), "Table does not give pairs of an image and a label (KeyError: 0)"),
    "labels between": ((X, Y + 0.5), "give whole numbers"),
    "labels below 0": ((X, Y - 1), "labels run from -1"),
    "labels without bounds": ((X, Y * 10**15), "labels run from 0 to 1000000000000000"),
    "one class": ((X, Y * 0), "holds one class"),
    "no images": ((X[:0], Y[:0]), "without images"),
    "images alone": (X, "does not give pairs"),
    "objects": ((np.array([{}] * 20, object), Y), "must be numbers"),
    "three of a kind": (TensorDataset(torch.tensor(X), torch.tensor(Y), torch.tensor(Y)), "does not give pairs"),
    "floats above 1": (TensorDataset(torch.tensor(X).float(), torch.tensor(Y)), "20 images of the dataset cannot be used: image 0 has the value 2"),
    "several labels each": (TensorDataset(torch.tensor(X), torch.zeros(20, 14)), "for an image has one class"),
    "a hub's set without labels": (Hub(image="Image"), "the dataset has the columns image (Image)"),
    "a hub's set of two images": (Hub(image="Image", mask="Image", label="ClassLabel"), "leave one Image and one ClassLabel"),
    "a hub's parts without train": ({"test": Hub(image="Image", label="ClassLabel")}, "no train"),
    "a streamed set": (Streamed(), "stream"),
    "a number": (7, "give a name, a folder"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "sentence"), ARRAYS_REFUSED.values(), ids=ARRAYS_REFUSED)
def test_arrays_that_cannot_be_meant_are_refused_in_a_sentence(data, sentence):
    with pytest.raises(BadInput) as e:
        load_data(data)
    assert sentence in str(e.value) and "\n" not in str(e.value)


CATS = Hub(image="Image", label="ClassLabel")
PARTS_REFUSED = {
    "other names": (CATS, Hub(["Cat", "dog"], image="Image", label="ClassLabel"), "classes Cat, dog, the training part cat, dog"),
    "a dataset and arrays": (CATS, (X, Y), "one part is an array, the other a list or a dataset"),
    "two scales": ((X / 255, Y), (X.astype(float), Y), "values up to 1, the other up to 255"),
    "grey and colour": ((X[..., 0], Y), (X, Y), "training images have 1 channel and test images 3"),
}  # fmt: skip


@pytest.mark.parametrize(("train", "test", "sentence"), PARTS_REFUSED.values(), ids=PARTS_REFUSED)
def test_parts_that_do_not_go_together_are_refused_in_a_sentence(train, test, sentence):
    with pytest.raises(BadInput) as e:
        load_data(train, test=test)
    assert sentence in str(e.value)


def test_classes_of_both_parts_are_matched_by_name():
    other = Hub(["dog", "cat"], image="Image", label="ClassLabel")
    for splits in (load_data(CATS, test=other), load_data({"train": CATS, "test": other})):
        assert torch.equal(splits.test.labels, 1 - splits.train.labels)


class Featured(TensorDataset):
    classes = 2  # A count is no list of names

    def __init__(self):
        super().__init__(torch.tensor(X).movedim(3, 1), torch.tensor(Y))
        self.features = self.tensors[0]


READ = {
    "a tensor called features": Featured(),
    "a mapping of tuples": {"train": (X, Y), "test": (X, Y)},
    "a hair above 1": (np.where(X == X.max(), np.float32(1.0000001), X / np.float32(255)), Y),
    **{f"labels of {kind}": (X, Y.astype(kind)) for kind in ("uint16", "uint32", "uint64")},
}


@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_what_people_have_is_read(data, tmp_path):
    test, (x, y) = None if isinstance(data, dict) else data, (torch.tensor(X).movedim(3, 1), torch.tensor(Y))
    for part in load_data(data, test=test):
        assert torch.equal(part.images, x) and torch.equal(part.labels, y)
    if isinstance(data, tuple):
        np.savez(tmp_path / "own.npz", images=data[0], labels=data[1])
        assert load_data(tmp_path / "own.npz").train.n_classes == 2


FILES_REFUSED = {
    "no npz": ("a.npz", b"text", "cannot be read as arrays"),
    "a torn npz": ("a.npz", b"PK\x03\x04" + bytes(50), "cannot be read as arrays"),
    "a picture": ("a.png", b"text", "is a file, but no .npz"),
    "a parquet": ("a.parquet", b"PAR1", "is a file, but no .npz"),
    "nothing": ("", b"", "neither a folder nor an .npz"),
}


@pytest.mark.parametrize(("name", "content", "sentence"), FILES_REFUSED.values(), ids=FILES_REFUSED)
def test_a_file_that_is_no_set_is_refused_in_a_sentence(name, content, sentence, tmp_path):
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        load_data(tmp_path / (name or "nowhere"))


def test_every_door_gives_the_same_images(tmp_path):
    np.savez(tmp_path / "a.npz", images=X, labels=Y[:, None])
    hub = Hub(image="Image", label="ClassLabel")
    doors = [tmp_path / "a.npz", (torch.tensor(X).movedim(3, 1) / 255, Y.tolist()), ([*X], Y), hub, {"train": hub}]
    first, *others = (load_data(door, test=(X, Y) if door in doors[1:2] else None) for door in doors)
    for splits in others[1:]:
        assert torch.equal(splits.train.images, first.train.images)
    assert len(others[0].test) == 20 and others[2].train.classes[1].name == "dog"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_recipes_are_read_in_any_utf(encoding, end, tmp_path):
    (tmp_path / "r.toml").write_bytes(f'based_on = "digits_prior"{end}seed = 7{end}'.encode(encoding))
    assert get_recipe(tmp_path / "r.toml").seed == 7


@pytest.mark.parametrize("size", ["auto", "2.5", "-1", "two"])
@pytest.mark.parametrize("launcher", ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_half_set_launchers_are_named(launcher, size, monkeypatch):
    monkeypatch.setenv(launcher, size)
    with pytest.raises(BadInput, match=f"{launcher}={size} in the environment is no number of processes"):
        dist_state()


@pytest.mark.parametrize(
    "text", ["unable to allocate shared memory(shm)", "CUDA out of memory", "can't allocate memory: you"]
)
def test_errors_of_libraries_become_sentences(text):
    assert cli.error_sentence(RuntimeError(text + "\nmore")).count("; ") == 1


def test_a_traceback_is_there_for_who_asks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as e:
        cli.run_command("teddy_report", ["--folder", str(tmp_path / "nowhere")])
    assert e.value.code == 2 and capsys.readouterr().err.count("\n") == 1
    with pytest.raises(BadInput):
        cli.run_command("teddy_report", ["--folder", str(tmp_path / "nowhere"), "--traceback"])


NAMES = ["caf\u00e9", "cafe\u0301s", "\u732b", "dog \U0001f415", "$0_to_$10", "a%b {c}", "#1 'x'", "_"]


def test_any_name_of_a_class_goes_through_a_run(tmp_path):
    paint(tmp_path / "shop", dict.fromkeys(NAMES, 3))
    short = "[pool]\nstages = [1]\n[pool.training]\nepochs = 1\n[synthesis]\niterations = 1\nn_teachers = 1\n"
    (tmp_path / "short.toml").write_text(short, "utf-8")
    run = "cli.run_command('teddy_distill', ['--dataset=~/shop', '--recipe=~/short.toml', '--out=~/run', '--no-compare', '--force'])"
    env = {**os.environ, "HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    code = f"from teddy_nb import cli; {run}; cli.run_command('teddy_export', ['--set=~/run/distilled', '--out=~/hub', '--format=hub'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run" / "distilled" / "classes.json").read_text("utf-8"))
    assert [c["folder"] for c in found] == sorted(NAMES)
    assert {p.name for p in (tmp_path / "run" / "distilled").iterdir() if p.is_dir()} == {*NAMES}
    assert "'7': " in (tmp_path / "hub" / "README.md").read_text("utf-8") and not (tmp_path / "~").exists()
