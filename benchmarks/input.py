"""What one photograph costs before it reaches a network, by way of reading.

    python benchmarks/input.py              every way, on generated JPEGs of 500 x 375; writes benchmarks/input.json
    python benchmarks/input.py --images 64  fewer images

One process reads, crops at random (torchvision's reference: a share of 0.08 to 1 of the area), resizes to 224 pixels and flips; ways run in turn on the
same files, and the fastest round of each is reported:
pillow_s       the package's way: Pillow decodes, transforms.v2 crops the picture
torchvision_s  torchvision.io decodes, transforms.v2 crops the tensor
torchcodec_s   torchcodec decodes, transforms.v2 crops the tensor (left out where it is not installed)
jpeg_cache_s   Pillow on JPEGs that were shrunk once to a shorter side of 256 pixels
memmap_s       pixels decoded and shrunk once to a shorter side of 256, mapped into memory; transforms.v2 crops the picture
Decoding alone stands beside them as *_decode_s. `workers` is what it costs to start a DataLoader's workers, which the package does once a training.
"""

import argparse
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import resize

from teddy_nb.config import get_recipe
from teddy_nb.core.devices import seeded
from teddy_nb.data.images import ImageFiles, open_image
from teddy_nb.teachers.training import FileAugment

try:
    import torchcodec
    from torchcodec.decoders import decode_jpeg
except (ImportError, RuntimeError):
    torchcodec = None

SIZE, SHORT = 224, 256
CROP = get_recipe("imagenet_prior").pool.training.augment
TENSOR_CROP = v2.Compose(
    [v2.RandomResizedCrop(SIZE, CROP.scale, CROP.ratio, antialias=True), v2.RandomHorizontalFlip()]
)


def picture(seed: int) -> Image.Image:
    "A picture with edges, gradients and grain, which JPEG compresses about as well as a photograph"
    with seeded("picture", seed):
        x = sum(
            F.interpolate(torch.rand(1, 3, 375 // s, 500 // s), (375, 500)) * w
            for s, w in ((90, 120), (20, 80), (4, 40))
        )
        x = x + 12 * torch.randn(1, 3, 375, 500)
    return Image.fromarray(x[0].permute(1, 2, 0).clamp(0, 255).byte().numpy())


def write_files(folder: Path, n: int) -> tuple[list[Path], list[Path], list[np.memmap]]:
    "JPEGs, the same shrunk, and the shrunk pixels as memory maps of one file"
    full, small, shapes = [], [], []
    with open(folder / "pixels.bin", "wb") as f:
        for i in range(n):
            image = picture(i)
            shrunk = resize(image, [SHORT], antialias=True)
            for paths, x in ((full, image), (small, shrunk)):
                paths.append(folder / f"{len(paths)}-{x.width}.jpg")
                x.save(paths[-1], quality=90)
            shapes.append((f.tell(), (shrunk.height, shrunk.width, 3)))
            f.write(np.asarray(shrunk).tobytes())
    return full, small, [np.memmap(folder / "pixels.bin", np.uint8, "r", at, shape) for at, shape in shapes]


def ways(full: list[Path], small: list[Path], maps: list[np.memmap]) -> dict[str, Callable[[int], object]]:
    "Each takes an image's number"
    read = lambda path: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    old = lambda i: torchvision.io.decode_jpeg(read(full[i]), mode=torchvision.io.ImageReadMode.RGB)
    files, shrunk = (FileAugment(ImageFiles(paths, SIZE), CROP, 0) for paths in (full, small))
    made = {
        "pillow_s": lambda i: files[i, 0],
        "pillow_decode_s": lambda i: open_image(full[i]).load(),
        "torchvision_s": lambda i: TENSOR_CROP(old(i)),
        "torchvision_decode_s": old,
        "jpeg_cache_s": lambda i: shrunk[i, 0],
        "memmap_s": lambda i: v2.functional.pil_to_tensor(files.view(Image.fromarray(maps[i]), i, 0)),
        "memmap_decode_s": lambda i: torch.from_numpy(np.array(maps[i])),
    }
    if torchcodec:
        new = lambda i: decode_jpeg(read(full[i]), mode="RGB")
        made |= {"torchcodec_s": lambda i: TENSOR_CROP(new(i)), "torchcodec_decode_s": new}
    return made


def fastest(made: dict[str, Callable], n: int, rounds: int) -> dict[str, float]:
    "Seconds an image"
    times = {name: [] for name in made}
    for _ in range(rounds + 1):
        for name, way in made.items():
            start = time.perf_counter()
            for i in range(n):
                way(i)
            times[name].append((time.perf_counter() - start) / n)
    return {name: round(min(t[1:]), 6) for name, t in times.items()}


def start_of_workers(workers: int) -> float:
    "Seconds from the making of a loader to its first batch, less a batch"
    loader = lambda: DataLoader(torch.utils.data.TensorDataset(torch.zeros(64)), 1, num_workers=workers)
    start = time.perf_counter()
    next(iter(loader()))
    return round(time.perf_counter() - start, 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")  # Decoders that are on their way out say so at every call
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as d:
        files = write_files(Path(d), args.images)
        times = fastest(ways(*files), args.images, args.rounds)
        sizes = [round(sum(p.stat().st_size for p in paths) / args.images) for paths in files[:2]]
        sizes.append(round(sum(m.nbytes for m in files[2]) / args.images))
    ratios = {f"pillow_over_{k[:-2]}": round(times["pillow_s"] / v, 2) for k, v in times.items() if "decode" not in k}
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "pillow": Image.__version__}
    versions["torchcodec"] = torchcodec and torchcodec.__version__
    about = {"date": time.strftime("%Y-%m-%d"), "device": f"one core of {platform.machine()}, {os.cpu_count()} cores"}
    made = {"about": {**about, "versions": versions, "images": args.images, "image": "500 x 375 to 224 x 224"}}
    made |= {"seconds_an_image": times, "ratios": {k: v for k, v in ratios.items() if k != "pillow_over_pillow"}}
    made |= {"bytes_an_image": dict(zip(("jpeg", "shrunk_jpeg", "shrunk_pixels"), sizes, strict=True))}
    made |= {"workers": {str(n): start_of_workers(n) for n in (2, 8)}}
    args.out.write_text(json.dumps(made, indent=1) + "\n")
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
