"Exports of labelling tools are read as they come: small sets made by hand in the shape of each, with a red object in its box"

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from teddy_nb.core.errors import BadInput
from teddy_nb.detecting.data import load_detection

NAMES = ("cat", "dog")
X, Y, W, H = 6, 4, 12, 16  # Of the red object in 40x30 pixels


def photo(path: Path, i: int = 0, **how) -> Path:
    "Write a photo with a red object"
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (40, 30), (90, 90 + i, 90))
    image.paste((255, 0, 0), (X, Y, X + W, Y + H))
    image.save(path, **how)
    return path


def coco(path: Path, n: int = 10, name: Callable = "{:02d}.png".format, change: Callable = lambda d: d) -> Path:
    "Write a COCO JSON of `n` photos, each with a cat or a dog"
    d = {
        "images": [{"id": i, "file_name": name(i), "width": 40, "height": 30} for i in range(n)],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1 + i % 2, "bbox": [X, Y, W, H], "area": W * H, "iscrowd": 0}
            for i in range(n)
        ],
        "categories": [{"id": 1 + i, "name": c, "supercategory": "pets"} for i, c in enumerate(NAMES)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(change(d)))
    return path


def voc(path: Path, i: int = 0, inside: str = "<size><width>40</width><height>30</height><depth>3</depth></size>"):
    "Write a VOC annotation of a cat or a dog"
    box = f"<xmin>{X + 1}</xmin><ymin>{Y + 1}</ymin><xmax>{X + W}</xmax><ymax>{Y + H}</ymax>"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><folder/><filename>x</filename>{inside}<segmented>0</segmented><object><name>{NAMES[i % 2]}</name>"
        f"<pose>Unspecified</pose><truncated>0</truncated><occluded>0</occluded><bndbox>{box}</bndbox></object></annotation>"
    )


def roboflow_coco(home: Path):
    above = {"id": 0, "name": "cat", "supercategory": "none"}  # A class above the others, which may be called like one
    for part, n in {"train": 6, "valid": 2, "test": 2}.items():
        name = lambda i, part=part: f"{part}{i}_jpg.rf.0c{i}.jpg"
        change = lambda d: {**d, "categories": [above, *d["categories"]]}
        coco(home / part / "_annotations.coco.json", n, name, change)
        for i in range(n):
            photo(home / part / name(i), i, quality=95)
    (home / "README.roboflow.txt").write_text("exported")


def roboflow_voc(home: Path):
    for part, n in {"train": 6, "valid": 4}.items():
        for i in range(n):
            voc(photo(home / part / f"IMG {i}.v2_jpg.rf.1a.jpg", i, quality=95).with_suffix(".xml"), i)


def cvat_coco(home: Path):
    coco(home / "annotations/instances_default.json")
    for i in range(10):
        photo(home / f"images/default/{i:02d}.png", i)


def cvat_coco_subsets(home: Path):
    for part, n in {"Train": 6, "Validation": 4}.items():  # The same names in both
        coco(home / f"annotations/instances_{part}.json", n)
        coco(home / f"annotations/person_keypoints_{part}.json", n)
        for i in range(n):
            photo(home / f"images/{part}/{i:02d}.png", 10 * n + i)


def cvat_voc(home: Path):
    (home / "ImageSets/Main").mkdir(parents=True)
    (home / "ImageSets/Main/default.txt").write_text("\n".join(f'"frame {i}"' for i in range(10)))
    (home / "labelmap.txt").write_text("# label:color_rgb:parts:actions\ncat:1,2,3::\n")
    for i in range(10):
        photo(home / f"JPEGImages/frame {i}.png", i)
        photo(home / f"SegmentationClass/frame {i}.png", i)
        voc(home / f"Annotations/frame {i}.xml", i)


def voc_lists(home: Path):
    lines = [f"a b{i}.jpg" if i % 3 else f"a b{i}  1" for i in range(10)]
    (home / "ImageSets/Main").mkdir(parents=True)
    (home / "ImageSets/Main/train.txt").write_text("\ufeff" + "\r\n".join(lines[:6]), "utf-8")
    (home / "ImageSets/Main/val.txt").write_text("\n".join(f'"{v}"' if "jpg" in v else v for v in lines[6:]) + "\n\n")
    (home / "ImageSets/Main/cat_train.txt").write_text("a b0 -1\n")
    for i in range(10):
        photo(home / f"JPEGImages/a b{i}.jpg", i, quality=95)
        voc(home / f"Annotations/a b{i}.xml", i, "<size><width>0</width><height>0</height></size>" if i else "")


def label_studio_voc(home: Path):
    for i in range(10):
        photo(home / f"images/{i:02d}-x.png", i)
        voc(home / f"Annotations/{i:02d}-x.xml", i)


STUDIO_NAMES = {
    "folder": r"images/{}", "Windows": r"images\{}", "project": r"images\1/{}", "server": "/data/upload/4/{}",
    "media": r"..\..\label-studio\media\upload\4\{}", "local files": "/data/local-files/?d=scans/{}", "url": "https://host/x/{}",
}  # fmt: skip


def label_studio_coco(home: Path, form: str = STUDIO_NAMES["folder"]):
    coco(home / "result.json", name=lambda i: form.format(f"{i:02d}-a b.png"))
    for i in range(10):
        photo(home / f"images/{i:02d}-a b.png", i)


def label_studio_json(home: Path):
    tasks = []
    for i in range(10):
        photo(home / f"{i:02d}-x y.png", i)
        value = {"x": X / 0.4, "y": Y / 0.3, "width": W / 0.4, "height": H / 0.3, "rotation": 0}
        if i % 3 == 0:  # Turned by a quarter about what was its upper right corner
            value |= {"x": (X + W) / 0.4, "width": H / 0.4, "height": W / 0.3, "rotation": 90}
        region = {"original_width": 40, "original_height": 30, "type": "rectanglelabels"}
        result = {**region, "value": {**value, "rectanglelabels": [NAMES[i % 2]]}}
        done = [
            {"was_cancelled": True, "result": []},
            {"was_cancelled": False, "result": [result, {"type": "choices", "value": {}}]},
        ]
        tasks.append({"id": i, "data": {"image": f"/data/upload/1/{i:02d}-x%20y.png"}, "annotations": done})
    (home / "project-1.json").write_text(json.dumps(tasks))


def label_studio_min(home: Path):
    value = {
        "x": X / 0.4,
        "y": Y / 0.3,
        "width": W / 0.4,
        "height": H / 0.3,
        "original_width": 40,
        "original_height": 30,
    }
    regions = [[{**value, "rectanglelabels": [c]}] for c in NAMES]
    photos = [photo(home / f"{i:02d}.png", i) for i in range(10)]
    tasks = [
        {"image": f"/data/upload/1/{p.name}", "id": i, "label": regions[i % 2], "annotator": 1}
        for i, p in enumerate(photos)
    ]
    (home / "min.json").write_text(json.dumps(tasks))


def labelme(home: Path):
    corners = [[X + W, Y], [X, Y + H]]
    for i in range(10):
        path = photo(home / f"{'front' if i % 2 else 'back'}/train_{i // 2}.png", i)
        around = [[X, Y], [X + W, Y], [X + W, Y + H], [X, Y + H]]
        kind = ("polygon", around) if i % 3 else ("rectangle", corners)
        shape = {"label": NAMES[i % 2], "points": kind[1], "group_id": None, "shape_type": kind[0], "flags": {}}
        point = {"label": "nose", "points": [[3, 3]], "shape_type": "point", "flags": {}}
        d = {"version": "5.4.1", "flags": {}, "shapes": [shape, point], "imageData": None}
        name = f"..\\{path.parent.name}\\{path.name}" if i % 2 else path.name
        path.with_suffix(".json").write_text(json.dumps({**d, "imagePath": name, "imageHeight": 30, "imageWidth": 40}))
    photo(home / "back/without.png")


TOOLS = {
    "Roboflow, COCO": (roboflow_coco, "the folder test"), "Roboflow, VOC": (roboflow_voc, "the folder val"),
    "CVAT, COCO": (cvat_coco, "a fifth"), "CVAT, COCO with subsets": (cvat_coco_subsets, "the file val"),
    "CVAT, VOC": (cvat_voc, "a fifth"), "VOC lists": (voc_lists, "the list val"),
    "Label Studio, VOC": (label_studio_voc, "a fifth"), "Label Studio, JSON": (label_studio_json, "a fifth"),
    "Label Studio, JSON-MIN": (label_studio_min, "a fifth"), "labelme": (labelme, "without an annotation"),
} | {f"Label Studio, COCO, {k}": (lambda home, v=v: label_studio_coco(home, v), "a fifth") for k, v in STUDIO_NAMES.items()}  # fmt: skip


@pytest.mark.parametrize(("write", "said"), TOOLS.values(), ids=TOOLS)
def test_an_export_is_read_as_it_comes(write, said, tmp_path):
    write(tmp_path / "pack")
    data = load_detection(str(tmp_path), size=40)
    assert [c.name for c in data.train.classes] == [*NAMES] and said in data.summary(), data
    assert len(data.train) + len(data.test) in (8, 10) and data.test.counts.sum() > 0
    for part in data:
        for x, b in zip(part.images, part.boxes, strict=True):
            assert b.xyxy.round().tolist() == [[X, Y, X + W, Y + H]]
            assert x[0, Y + 1 : Y + H - 1, X + 1 : X + W - 1].min() > 240 and x[0, :, X + W + 2 :].max() < 130
    names = [{p.name for p in part.images.paths} for part in data if hasattr(part.images, "paths")]
    assert not names or not names[0] & names[1]


def row(key: str, i: int, **changes):
    return lambda d: {
        **d,
        key: [
            {k: v for k, v in {**r, **changes}.items() if v != "gone"} if j == i else r for j, r in enumerate(d[key])
        ],
    }


ODD = {
    "of no image": (row("annotations", 3, image_id=99), "annotation 4 of set.json has the image_id 99, which is not listed"),
    "without an image": (row("annotations", 3, image_id="gone"), "annotation 4 of set.json has the image_id None"),
    "of no category": (row("annotations", 3, category_id=7), "annotation 4 of set.json has the category_id 7, which is not"),
    "with an empty box": (row("annotations", 3, bbox=[]), r"annotation 4 of set.json has \[\] in place of the 4 numbers"),
    "without a box": (row("annotations", 3, bbox="gone"), "annotation 4 of set.json has None in place"),
    "with a word for a number": (row("annotations", 3, bbox=[1, 2, "x", 4]), "annotation 4 .* in place of the 4 numbers"),
    "with a number that is none": (row("annotations", 3, bbox=[1, 2, float("nan"), 4]), "annotation 4 .*nan.* in place"),
    "of no area": (row("annotations", 3, bbox=[5, 5, 0, 3]), r"annotation 4 of set.json \(03.png\) has a box of no area, 5 5 5 8"),
    "outside": (row("annotations", 3, bbox=[5, 5, 90, 3]), r"annotation 4 of set.json \(03.png\) has a box 5 5 95 8 outside its 40x30"),
    "without a file": (row("images", 2, file_name="gone"), "image 2 of set.json names None, which is not in"),
    "with an absent file": (row("images", 2, file_name="no.png"), "image 2 of set.json names no.png, which is not in"),
    "of another folder": (row("images", 2, file_name="../02.png"), "image 2 of set.json names ../02.png, which leaves"),
    "of the system": (row("images", 2, file_name="/etc/motd.png"), "image 2 of set.json names /etc/motd.png, which is not in"),
    "twice": (row("images", 2, id=1), "image 1 of set.json has the id of another image"),
    "of another size": (row("images", 2, width=44), "02.png has 40x30 pixels, but its annotation states 44x30"),
    "two categories with one id": (row("categories", 1, id=1), "category 1 of set.json shares its id"),
    "category without a name": (row("categories", 1, name="gone"), "category 2 of set.json has no name"),
    "no annotations": (lambda d: {**d, "annotations": None}, "annotations is no list of rows"),
    "rows that are none": (lambda d: {**d, "images": [1]}, "images is no list of rows"),
    "two at once": (
        lambda d: row("annotations", 3, bbox=[])(row("annotations", 5, bbox=[])(d)), "2 files cannot be used: annotation 4 .*annotation 6",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), ODD.values(), ids=ODD)
def test_an_odd_row_is_named_in_words(change, words, tmp_path):
    for i in range(10):
        photo(tmp_path / "pets" / f"{i:02d}.png", i)
    photo(tmp_path / "02.png")
    with pytest.raises(BadInput, match=words):
        load_detection(str(coco(tmp_path / "pets/set.json", change=change)), size=40)


def test_what_is_odd_and_harmless_is_read_and_said(tmp_path):
    def change(d):
        d["annotations"][0] |= {"image_id": "0", "iscrowd": True}  # An id as text; a crowd
        d["annotations"][1].pop("iscrowd")
        d["images"][1] = {"id": 1, "file_name": "01.png"}
        d["images"].append({"id": 10, "file_name": "02.png"})  # A photo that two people annotated
        d["annotations"].append({**d["annotations"][2], "image_id": 10})
        d["categories"] += [{"id": 8, "name": "dog"}, {"id": 9, "name": "yak"}]
        d["annotations"][3]["category_id"] = 8
        return d

    for i in range(12):
        photo(tmp_path / f"{i:02d}.png", i)
    data = load_detection(str(coco(tmp_path / "set.json", change=change)), size=40)
    assert len(data.train) + len(data.test) == 9 and [c.name for c in data.train.classes] == [*NAMES]
    assert data.train.counts.sum() + data.test.counts.sum() == 9
    for words in (
        "classes without a box (yak)",
        "1 image without an object",
        "2 photos without an annotation",
        "categories of one name count as one",
    ):
        assert words in data.summary(), data


def test_what_may_be_meant_in_two_ways_is_refused(tmp_path):
    for i in range(10):
        photo(tmp_path / f"a/{i:02d}.png", i)
    coco(tmp_path / "one.json")
    coco(tmp_path / "two.json")
    with pytest.raises(BadInput, match=r"can be read in two ways: by .*one.json \(COCO\), or by .*two.json \(COCO\)"):
        load_detection(str(tmp_path))
    (tmp_path / "two.json").unlink()
    photo(tmp_path / "b/03.png")
    with pytest.raises(BadInput, match=r"image 3 of one.json names 03.png, which may be .*a/03.png or .*b/03.png"):
        load_detection(str(tmp_path))


def test_a_folder_of_another_format_is_refused_by_what_it_holds(tmp_path):
    photo(tmp_path / "x.png")
    (tmp_path / "x.txt").write_text("0 .5 .5 .1 .1")
    with pytest.raises(BadInput, match="holds no boxes in the form of COCO, .* but 1 .png, 1 .txt; export"):
        load_detection(str(tmp_path))


def test_scans_of_twelve_bits_have_their_own_white(tmp_path):
    for i in range(10):
        values = np.linspace(0, 4095, 1200).reshape(30, 40) * (1 if i == 3 else 0.9)
        Image.fromarray(values.astype(np.uint16)).save(tmp_path / f"{i:02d}.png")
    data = load_detection(str(coco(tmp_path / "set.json")), size=40)
    assert max(int(x.max()) for part in data for x in part.images) == 255 and "use 12 of them" in data.summary()


def test_torn_photos_of_both_parts_are_named_together(tmp_path):
    roboflow_coco(tmp_path)
    for part in ("train", "test"):  # The header is whole
        torn = next((tmp_path / part).glob("*.jpg"))
        torn.write_bytes(torn.read_bytes()[:-200])
    with pytest.raises(BadInput, match="2 files cannot be used: .*train.*test.*mend or remove them"):
        load_detection(str(tmp_path), size=40)


def test_boxes_lie_on_turned_photos_in_every_format(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for i in range(10):
        path = photo(tmp_path / f"{i:02d}.png", i)
        with Image.open(path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
        size = (30, 40) if i % 2 else (40, 30)  # As held, or as shown
        voc(path.with_suffix(".xml"), i, f"<size><width>{size[0]}</width><height>{size[1]}</height></size>")
    data = load_detection(str(tmp_path), size=40)
    for x, b in zip(data.train.images, data.train.boxes, strict=True):
        left, top, right, bottom = b.xyxy[0].int().tolist()
        assert x[0, top:bottom, left:right].min() > 250
