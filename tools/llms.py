"Write nbs/llms.txt, the site's table of contents for language models (llmstxt.org), from the sidebar and the head of each page"

import json
import re
from pathlib import Path

import yaml
from nbdev.config import get_config

ROOT = Path(__file__).parents[1]
FACTS = """\
`pip install -e .` in a clone; Python 3.11 or newer. Commands: `teddy_distill`, `teddy_pool`, `teddy_validate`, `teddy_export`,
`teddy_forecast`, `teddy_reproduce`, `teddy_report`, `teddy_submit`; each has `--help`. `import teddy_nb` offers what a user needs by name.
Every page is a notebook under `nbs/` and the module of the same name in the package."""


def line(href: str, address: str) -> str:
    "Return the entry of a page: its title, address and description"
    head = "".join(json.loads((ROOT / "nbs" / href).read_text())["cells"][0]["source"])
    title, about = re.match(r"# (.+)\n+> (.+)", head).groups()
    parent, _, name = href.rpartition("/")
    page = "/".join(filter(None, [address, parent, re.sub(r"^\d\d_", "", name.removesuffix(".ipynb")) + ".html"]))
    return f"- [{title}]({page}): {about}"


def section(entries: list, address: str, name: str = "Start") -> str:
    "Return the entries of a part of the sidebar under its name, the parts within it after them"
    here = [line(e if isinstance(e, str) else e["href"], address) for e in entries if isinstance(e, str) or "href" in e]
    parts = [section(e["contents"], address, e["section"]) for e in entries if isinstance(e, dict) and "contents" in e]
    return "\n\n".join(["\n".join([f"## {name}", "", *here]) if here else "", *parts]).strip()


def main():
    website, settings = yaml.safe_load((ROOT / "_quarto.yml").read_text())["website"], get_config()
    head = f"# {website['title']}\n\n> {website['description']}\n\n{FACTS}\n\n"
    contents = section(website["sidebar"]["contents"], settings.doc_host + settings.doc_baseurl)
    (ROOT / "nbs" / "llms.txt").write_text(f"{head}{contents}\n")


if __name__ == "__main__":
    main()
