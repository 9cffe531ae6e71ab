"Write README.md from nbs/index.ipynb: its text, its figures (into nbs/images) and its tables"

import base64
import json
import re
from pathlib import Path

IMAGES = Path("nbs/images")


def figure(cell: dict, png: str, number: int) -> str:
    "Store a figure and refer to it, with the alt text and the caption of its cell"
    said = dict(re.findall(r"^#\| (fig-\w+): (.*)$", "".join(cell["source"]), re.MULTILINE))
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / f"readme-{number}.png"
    path.write_bytes(base64.b64decode(png))
    return f"![{said['fig-alt']}]({path})\n\n*{said['fig-cap']}*"


def shown(cell: dict, number: int) -> str:
    "What a reader of the README sees of a cell"
    if cell["cell_type"] == "markdown":
        return re.sub(r"\]\((?!\w+:)", "](nbs/", "".join(cell["source"]))
    data = [o.get("data", {}) for o in cell["outputs"]]
    return "\n\n".join(
        figure(cell, d["image/png"], number) if "image/png" in d else "".join(d.get("text/markdown", "")) for d in data
    )


def main():
    cells = json.loads(Path("nbs/index.ipynb").read_text())["cells"]
    text = "\n\n".join(filter(None, (shown(c, i) for i, c in enumerate(cells))))
    Path("README.md").write_text(f"<!-- Written by tools/readme.py from nbs/index.ipynb -->\n\n{text}\n")


main()
