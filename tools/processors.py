"What nbdev does to a page on its way to the site; settings.ini names these"

import inspect
import re
from importlib import import_module
from pathlib import Path

from teddy_nb._modidx import d

REPOSITORY = "teddy-nb/teddy_nb"


def static_html(cell: dict):
    "Keep only the HTML form of each output, as raw HTML in Markdown: for a plain one Quarto would link scripts from a CDN"
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if html := "".join(data.pop("text/html", [])):
            data.pop("application/vnd.jupyter.widget-view+json", None)
            data["text/markdown"] = f"``````{{=html}}\n{html}\n``````".splitlines(keepends=True)


class RunLinks:
    "Put links to Colab, whose machines have to install this package, and to Binder before a chapter's first text, after its picture"

    def __init__(self, nb: dict):
        self.nb = nb

    def end(self):
        name = Path(self.nb["path_"]).name
        if not re.match(r"\d\d_|tour", name):
            return
        colab = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/nbs/{name}"
        binder = f"https://mybinder.org/v2/gh/{REPOSITORY}/main?labpath=nbs/{name}"
        install = f"`%pip install git+https://github.com/{REPOSITORY}`"
        text = f"Run this page: [Colab]({colab}), with {install} as its first cell, or [Binder]({binder})."
        texts = (c for c in self.nb["cells"][1:] if c["cell_type"] == "markdown")
        first = next(c for c in texts if not c["source"].startswith(("![", "<div")))
        first["source"] = f"{text}\n\n{first['source']}"


CLASS = re.compile(r"def ((?:[A-Z]\w*\.)*[A-Z]\w*)\(\n(.*?)\n\)(?:->None)?:", re.DOTALL)


def class_docs(cell: dict):
    "Document a class as a class; one whose constructor takes `*args` by its first line and its fields, as its source has them"

    def shown(match) -> str:
        name, arguments = match.groups()
        if "*args" not in arguments:
            return f"class {name}(\n{arguments}\n):"
        places = [m for m, names in d["syms"].items() if f"{m}.{name}" in names]
        lines = inspect.getsource(getattr(import_module(places[0]), name)).splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("class "))
        fields = [line for line in lines[head + 1 :] if re.match(r"    \w+: ", line)]
        return "\n".join([lines[head], *(fields or ["    ..."])])

    for output in cell.get("outputs", []):
        if doc := "".join(output.get("data", {}).get("text/markdown", [])):
            output["data"]["text/markdown"] = CLASS.sub(shown, doc).splitlines(keepends=True)
