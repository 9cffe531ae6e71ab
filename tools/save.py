"Format, export, run, save and clean notebooks; cells under a skipped flag keep the outputs they have: save.py [--flags 'slow cuda'] NOTEBOOK..."

import argparse
import base64
import io
import os
import subprocess
import sys
from pathlib import Path

from execnb.nbio import write_nb
from execnb.shell import CaptureShell
from fastcore.xtras import working_directory
from nbdev.clean import nbdev_clean
from nbdev.config import get_config
from nbdev.doclinks import nbdev_export
from nbdev.process import NBProcessor
from PIL import Image


def with_palette(png: str) -> str:
    "Return a base64 plot with 256 colours, a third of its bytes; a sheet of images, which is transparent, keeps its own"
    picture, small = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    if picture.mode == "P" or picture.getextrema()[-1] != (255, 255):
        return png
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def shown(output: dict) -> dict:
    "Return an output as the page stores it"
    if png := output.get("data", {}).get("image/png"):
        output["data"]["image/png"] = with_palette("".join(png))
    return output


def run(path: Path, skip_flags: set[str]):
    "Execute the notebook at `path` in its own folder and write it back with its outputs"
    nb = NBProcessor(path, rm_directives=False, process=True).nb

    def skip(cell):
        return cell.cell_type != "code" or skip_flags & cell.directives_.keys() or "eval:" in cell.directives_

    for cell in nb.cells:
        if not skip(cell):
            cell.outputs = []
    shell = CaptureShell(path)
    try:
        with working_directory(path.parent):
            shell.run_all(nb, exc_stop=True, preproc=skip)
    except Exception:  # noqa: BLE001
        sys.exit(shell.prettytb(fname=path))
    for cell in nb.cells:
        cell.pop("directives_", None)
        if cell.cell_type == "code":  # Progress bars and warnings are not for the reader of the page
            cell.outputs = [shown(o) for o in cell.outputs if o.get("name") != "stderr"]
    write_nb(nb, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flags", default="", help="flags whose cells run too, such as 'slow cuda'")
    parser.add_argument("notebooks", nargs="+", type=Path)
    args = parser.parse_args()
    skip_flags = set(get_config().tst_flags.split()) - set(args.flags.split())
    if "slow" in args.flags.split():
        os.environ["TEDDY_SLOW"] = "1"
    subprocess.run([Path(sys.executable).with_name("ruff"), "format", "--quiet", *args.notebooks], check=True)
    nbdev_export()
    for path in [p.resolve() for p in args.notebooks]:
        run(path, skip_flags)
        nbdev_clean(str(path))


if __name__ == "__main__":
    main()
