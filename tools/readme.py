"Write README.md from nbs/index.ipynb: its text, and the outputs of its code cells"

import json
import re
from pathlib import Path


def shown(cell: dict) -> str:
    "What a reader of the README sees of a cell"
    if cell["cell_type"] == "markdown":
        return "".join(cell["source"])
    return "\n\n".join("".join(o.get("data", {}).get("text/markdown", "")) for o in cell["outputs"])


def main():
    cells = json.loads(Path("nbs/index.ipynb").read_text())["cells"]
    text = "\n\n".join(s for s in map(shown, cells) if s)
    text = re.sub(r"\]\((?!\w+:)", "](nbs/", text)
    Path("README.md").write_text(f"<!-- Written by tools/readme.py from nbs/index.ipynb -->\n\n{text}\n")


main()
