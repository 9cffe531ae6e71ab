"The site as Quarto would get it: staged by nbdev, then checked without Quarto"

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs

MB = 2**20


@pytest.fixture(scope="module")
def site() -> Path:
    refresh_quarto_yml()
    return Path(proc_nbs(n_workers=0, force=True))


@pytest.fixture(scope="module")
def config(site) -> dict:
    return yaml.safe_load((site / "_quarto.yml").read_text())


@pytest.fixture(scope="module")
def pages(site) -> dict[str, list[dict]]:
    "Path within the site to cells"
    paths = sorted(p for p in site.rglob("*.ipynb") if not p.name.startswith("_"))
    return {p.relative_to(site).as_posix(): json.loads(p.read_text())["cells"] for p in paths}


@pytest.fixture(scope="module")
def front(pages) -> dict[str, dict]:
    "Path within the site to front matter; empty where a page has none"
    return {p: front_matter(cells[0]) for p, cells in pages.items()}


def text(cell: dict) -> str:
    return "".join(cell["source"])


def front_matter(cell: dict) -> dict:
    body = re.fullmatch(r"---\n(.*)\n---\s*", text(cell), re.DOTALL)
    return yaml.safe_load(body[1]) if cell["cell_type"] == "raw" and body else {}


def sidebar_files(entries: list) -> list[str]:
    "Files named by a sidebar, its sections included"
    files = []
    for e in entries:
        files += [e] if isinstance(e, str) else sidebar_files(e["contents"]) if "contents" in e else [e["href"]]
    return files


def prose(cells: list[dict]) -> str:
    "What a reader sees as text, without code blocks"
    shown = [text(c) for c in cells if c["cell_type"] == "markdown"]
    return re.sub(r"^(```|~~~).*?^\1", "", "\n\n".join(shown), flags=re.DOTALL | re.MULTILINE)


def outputs(pages: dict):
    for page, cells in pages.items():
        for cell in cells:
            for output in cell.get("outputs", []):
                yield page, cell, output


def images(pages: dict):
    for page, cell, output in outputs(pages):
        if "image/png" in output.get("data", {}):
            yield page, text(cell)


def test_sidebar_and_pages_agree(config, pages):
    listed = sidebar_files(config["website"]["sidebar"]["contents"])
    assert sorted(listed) == sorted(set(listed)), "a page is listed twice"
    assert set(listed) == set(pages)


def test_every_page_has_title_and_description(front):
    assert {p: "no front matter" for p, f in front.items() if not {"title", "description"} <= f.keys()} == {}


def test_title_cells_hold_nothing_else():
    "nbdev makes front matter of the cell with the title, and drops whatever else it holds"
    lost = {}
    for path in nbglob(get_config().nbs_path, as_path=True):
        lines = text(json.loads(path.read_text())["cells"][0]).splitlines()
        lost[path.name] = [line for line in lines if line and not re.match(r"# |> |- \w+:", line)]
    assert [name for name, lines in lost.items() if lines] == []


def test_named_files_exist(site, config):
    html = config["format"]["html"]
    themes = [t for layers in html["theme"].values() for t in layers if t.endswith(".scss")]
    content_hash = [*config["metadata-files"], html["css"], *themes]
    assert [f for f in content_hash if not (site / f).is_file()] == []


def test_links_lead_somewhere(site, pages, front):
    made = {(Path(p).parent / f.get("output-file", Path(p).stem + ".html")).as_posix() for p, f in front.items()}
    dead = []
    for page, cells in pages.items():
        for link in re.findall(r"\]\(([^)\s]+)", prose(cells)):
            path = unquote(link.partition("#")[0])
            if not path or re.match(r"[a-z]+:", path):
                continue
            target = (site / path.lstrip("/") if path.startswith("/") else site / Path(page).parent / path).resolve()
            if not target.exists() and not (
                target.is_relative_to(site) and target.relative_to(site).as_posix() in made
            ):
                dead.append(f"{page}: {link}")
    assert dead == []


def test_no_stored_error(pages):
    assert [page for page, _, output in outputs(pages) if output["output_type"] == "error"] == []


def test_no_stored_stderr(pages):
    "Progress bars and warnings are for the person who runs the page, not for its reader"
    assert [page for page, _, output in outputs(pages) if output.get("name") == "stderr"] == []


def test_no_page_over_3_mb(site, pages):
    assert [p for p in pages if (site / p).stat().st_size > 3 * MB] == []


def test_figures_have_caption_and_alt_text(pages):
    captioned = re.compile(r"^#\| ?(fig-cap:|label: ?fig-)", re.MULTILINE)
    spoken = re.compile(r"^#\| ?fig-alt:", re.MULTILINE)
    bare = [(page, src[:80]) for page, src in images(pages) if not (captioned.search(src) and spoken.search(src))]
    assert bare == []


def test_no_widget_needs_a_kernel_or_a_network(pages):
    "A page with a widget view or an html output would load scripts from a CDN"
    kinds = {"application/vnd.jupyter.widget-view+json", "application/javascript", "text/html"}
    assert [(page, kinds & o["data"].keys()) for page, _, o in outputs(pages) if kinds & o.get("data", {}).keys()] == []
