"Write README.md from nbs/index.ipynb: its text, its figures (into nbs/images) and its tables"

import base64
import io
import json
import re
from pathlib import Path

import yaml
from PIL import Image

IMAGES = Path("nbs/images")


def figure(cell: dict, png: str, number: int) -> str:
    "Store a figure and refer to it, with the alt text and the caption of its cell"
    options = re.findall(r"^#\| (fig-\w+: .*)$", "".join(cell["source"]), re.MULTILINE)
    said = yaml.safe_load("\n".join(options))
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / f"readme-{number}.png"
    path.write_bytes(base64.b64decode(png))
    return f"![{said['fig-alt']}]({path})\n\n*{said['fig-cap']}*"


def film(html: str, number: int) -> str:
    "Store the first and the last frame of a film, enlarged, and refer to them with their alt texts"
    frames = re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]+)"', html)
    lines = []
    for when, (png, alt) in zip(("first", "last"), (frames[0], frames[-1]), strict=True):
        path = IMAGES / f"readme-{number}-{when}.png"
        picture = Image.open(io.BytesIO(base64.b64decode(png)))
        picture.resize((4 * picture.width, 4 * picture.height), Image.Resampling.NEAREST).save(path)
        lines.append(f"![{alt}]({path})")
    return "\n".join(lines)


def output(cell: dict, data: dict, number: int) -> str:
    "Return one output as Markdown"
    if "text/html" in data:
        return film("".join(data["text/html"]), number)
    if "image/png" in data:
        return figure(cell, data["image/png"], number)
    return "".join(data.get("text/markdown", ""))


def shown(cell: dict, number: int) -> str:
    "What a reader of the README sees of a cell"
    if cell["cell_type"] == "markdown":
        text = re.sub(r"\n- \w+: \w+", "", "".join(cell["source"]))  # Options of the page
        text = re.sub(r'<a class="[^"]*" href="([^"]+)">([^<]+)</a>', r"[\2](\1)", text)
        text = re.sub(r"</?div[^>]*>\n*", "", text)
        text = re.sub(r'!\[([^]]*)\](\([^)]*\)){fig-alt="([^"]*)"}', r"![\3]\2\n\n*\1*", text)
        return re.sub(r"\]\((?!\w+:|#)", "](nbs/", text).strip()
    return "\n\n".join(output(cell, o.get("data", {}), number) for o in cell["outputs"])


def main():
    cells = json.loads(Path("nbs/index.ipynb").read_text())["cells"]
    text = "\n\n".join(filter(None, (shown(c, i) for i, c in enumerate(cells))))
    Path("README.md").write_text(f"<!-- Written by tools/readme.py from nbs/index.ipynb -->\n\n{text}\n")


main()
