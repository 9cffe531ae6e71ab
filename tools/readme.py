"Write README.md from nbs/index.ipynb: its text, its code, its film (into nbs/images) and its tables"

import base64
import io
import json
import re
from pathlib import Path

from PIL import Image

IMAGES = Path("nbs/images")


def film(html: str) -> str:
    "Store a film, enlarged, as a GIF that plays once beside its first frame, and refer to it"
    pngs, alts = zip(*re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]+)"', html), strict=True)
    first, *frames = (Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA") for png in pngs)
    width, height = 3 * first.width, 3 * first.height
    shown = []
    for frame in frames:
        both = Image.new("RGBA", (2 * width + 24, height), "white")
        for left, picture in ((0, first), (width + 24, frame)):
            picture = picture.resize((width, height), Image.Resampling.NEAREST)
            both.paste(picture, (left, 0), picture)
        shown.append(both.convert("L").quantize(32))
    path = IMAGES / "film.gif"
    pauses = [1200, *[450] * (len(shown) - 1)]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=pauses)  # Without `loop` it plays once
    scores = json.loads(re.search(r"scores = (\[.*?\])", html)[1])
    caption = f"Ten real digits ({scores[0]} %), and the same ten while they are distilled (to {scores[-1]} %)."
    return f"![{alts[0]}; beside it the same ten along the iterations]({path})\n\n*{caption}*"


def output(made: dict) -> str:
    "Return one output as Markdown"
    data = made.get("data", {})
    if "text/html" in data:
        return film("".join(data["text/html"]))
    if "text" in made:
        return f"```\n{''.join(made['text']).strip()}\n```"
    return plain("".join(data.get("text/markdown", "")))


def plain(text: str) -> str:
    "Return Markdown of the page as GitHub shows it"
    text = re.sub(r"\n- [\w-]+: \w+", "", text)  # Options of the page
    text = re.sub(r'<a class="[^"]*" href="([^"]+)">([^<]+)</a>', r"[\2](\1)", text)
    text = re.sub(r"</?div[^>]*>\n*", "", text)
    text = re.sub(r"!\[\]\([^)]*\)({[^}]*})? ", "", text)  # Thumbnails
    picture = r'<img src="nbs/\2" width="180" alt="\1"><br>'
    text = re.sub(r"\[!\[([^]]*)\]\(([^)]*)\)({[^}]*})?\]\([^)]*\)", picture, text)
    text = re.sub(r'<span class="arrow">([^<]*)</span>', r"→ *\1*", text)
    return re.sub(r"\]\((?!\w+:|#)", "](nbs/", text).strip()


def shown(cell: dict) -> str:
    "What a reader of the README sees of a cell: its text, or its outputs and, where it stands open, its code"
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return plain(source)
    code = re.sub(r"^#\|.*\n", "", source, flags=re.MULTILINE)
    parts = [f"```python\n{code}\n```"] if "#| code-fold: false" in source else []
    return "\n\n".join(filter(None, parts + [output(o) for o in cell["outputs"]]))


def main():
    cells = json.loads(Path("nbs/index.ipynb").read_text())["cells"]
    text = "\n\n".join(filter(None, map(shown, cells)))
    Path("README.md").write_text(f"<!-- Written by tools/readme.py from nbs/index.ipynb -->\n\n{text}\n")


main()
