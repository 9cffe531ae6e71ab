"""Train a detector on a folder in VOC layout, and score it on another, with torchvision alone: judge_detection.py TRAIN TEST

`--random N` takes N random images of TRAIN instead of all. Both folders hold `VOCdevkit/VOC2012`.
"""

import argparse
import random

import torch
from torch import nn
from torchmetrics.detection import MeanAveragePrecision
from torchvision.datasets import VOCDetection
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign
from torchvision.transforms.functional import to_tensor


def read(folder: str, part: str) -> list:
    "Read images and `(name, box)` rows of one part"
    items = []
    for photo, notes in VOCDetection(folder, year="2012", image_set=part):
        corners = lambda o: [float(o["bndbox"][k]) - k.endswith("min") for k in ("xmin", "ymin", "xmax", "ymax")]
        items.append((to_tensor(photo), [(o["name"], corners(o)) for o in notes["annotation"]["object"]]))
    return items


def target(rows: list, names: list[str]) -> dict:
    boxes = torch.tensor([box for _, box in rows]).view(-1, 4)
    return {"boxes": boxes, "labels": torch.tensor([1 + names.index(n) for n, _ in rows], dtype=torch.int64)}


def build(classes: int, size: int) -> FasterRCNN:
    "A plain network of four convolutions, with stride 8"
    layers, width = [], 3
    for out, pool in ((32, True), (64, True), (96, True), (128, False)):
        layers += [
            nn.Conv2d(width, out, 3, padding=1),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.MaxPool2d(2) if pool else nn.Identity(),
        ]
        width = out
    body = nn.Sequential(*layers)
    body.out_channels = width
    anchors = AnchorGenerator(((size // 6, size // 4, size // 2),), ((0.5, 1.0, 2.0),))
    few = {"rpn_pre_nms_top_n_train": 200, "rpn_post_nms_top_n_train": 60, "rpn_post_nms_top_n_test": 50}
    pool = MultiScaleRoIAlign(["0"], 5, 1)
    return FasterRCNN(body, classes + 1, min_size=size, max_size=size, rpn_anchor_generator=anchors, box_roi_pool=pool,
                      box_batch_size_per_image=32, **few)  # fmt: skip


def train(model: FasterRCNN, items: list, names: list[str], steps: int):
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        batch = random.sample(items, min(8, len(items)))
        losses = model([x for x, _ in batch], [target(rows, names) for _, rows in batch])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()


@torch.no_grad()
def score(model: FasterRCNN, items: list, names: list[str]) -> dict:
    metric = MeanAveragePrecision(backend="pycocotools")
    model.eval()
    for x, rows in items:
        metric.update(model([x]), [target(rows, names)])
    return {k: round(100 * v.item(), 2) for k, v in metric.compute().items() if k in ("map", "map_50")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--part", default="val", help="of TEST")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    items, test = read(args.train, "train"), read(args.test, args.part)
    items = random.sample(items, args.random) if args.random else items
    names = sorted({name for _, rows in test for name, _ in rows})
    model = build(len(names), max(test[0][0].shape[1:]))
    train(model, items, names, args.steps)
    print(score(model, test, names))


if __name__ == "__main__":
    main()
