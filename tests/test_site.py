"The site as Quarto would get it: staged by nbdev, then checked without Quarto"

import base64
import io
import itertools
import json
import re
from pathlib import Path
from statistics import mean
from urllib.parse import unquote

import pytest
import yaml
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from PIL import Image

from teddy_nb.core.errors import format_mean_std

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


def options(cell: dict) -> dict:
    "Quarto's options of a code cell"
    lines = itertools.takewhile(lambda line: line.startswith("#|"), text(cell).splitlines())
    return yaml.safe_load("\n".join(line.removeprefix("#|") for line in lines)) or {}


def shown_text(cells: list[dict]) -> str:
    "All Markdown of a page: its own and that of its outputs, documented names among it"
    made = ["".join(o.get("data", {}).get("text/markdown", "")) for c in cells for o in c.get("outputs", [])]
    return "\n\n".join([text(c) for c in cells if c["cell_type"] == "markdown"] + made)


def slug(heading: str) -> str:
    "The id that Pandoc gives a heading"
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", lambda m: m[1] or "", heading)
    kept = re.sub(r"[^\w\s.-]", "", plain.lower())
    return re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", kept.strip()))


def own_ids(cells: list[dict]) -> list[str]:
    "Ids that a page's author wrote down"
    labels = [options(c)["label"] for c in cells if c["cell_type"] == "code" and "label" in options(c)]
    markdown = shown_text(cells)
    tags = [f"eq{n}" for n in re.findall(r"\\tag\{(\d+)\}", markdown)]
    return labels + tags + re.findall(r"\{#([\w.-]+)", markdown) + re.findall(r"\sid=[\"']?([\w.-]+)", markdown)


def all_ids(cells: list[dict]) -> set[str]:
    "Ids that a link may lead to"
    return {*own_ids(cells), *(slug(h) for h in re.findall(r"^#+ (.+)$", shown_text(cells), re.MULTILINE))}


def classes(cell: dict) -> list[str]:
    named = options(cell).get("classes", [])
    return [named] if isinstance(named, str) else named


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
    html, website = config["format"]["html"], config["website"]
    themes = [name for layers in html["theme"].values() for name in [layers] * isinstance(layers, str) or layers]
    fonts = re.findall(r"url\(\"([^\"]+)", (site / html["css"]).read_text())
    cards = [website[k]["image"] for k in ("open-graph", "twitter-card")]
    named = [*config["filters"], html["css"], *themes, *fonts, *cards, website["favicon"], website["navbar"]["logo"]]
    assert [f for f in named if not (site / f).is_file()] == []


def test_chapters_can_be_run_elsewhere(pages):
    "At the address of the repository that settings.ini names, by the notebook's own name"
    settings = get_config()
    repo = f"{settings.user}/{settings.repo}"
    for page in (p for p in pages if re.match(r"\d\d_", p)):
        head = prose(pages[page][:3])
        assert f"https://colab.research.google.com/github/{repo}/blob/{settings.branch}/nbs/{page}" in head
        assert f"https://mybinder.org/v2/gh/{repo}/{settings.branch}?labpath=nbs/{page}" in head


def test_links_lead_somewhere(site, pages, front):
    "To a page that exists, and to a place on it that exists"
    made = {(Path(p).parent / f.get("output-file", Path(p).stem + ".html")).as_posix(): p for p, f in front.items()}
    dead = []
    for page, cells in pages.items():
        for link in re.findall(r"\]\(([^)\s]+)|href=\"([^\"]+)", prose(cells)):
            path, _, anchor = unquote("".join(link)).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = (site / path.lstrip("/") if path.startswith("/") else site / Path(page).parent / path).resolve()
            name = target.relative_to(site).as_posix() if target.is_relative_to(site) else ""
            aim = page if not path else made.get(name, name)
            if not (aim in pages or target.exists()) or (anchor and anchor not in all_ids(pages.get(aim, []))):
                dead.append(f"{page}: {''.join(link)}")
    assert dead == []


def test_cell_options_are_yaml(pages):
    bad = {}
    for page, cells in pages.items():
        for cell in (c for c in cells if c["cell_type"] == "code"):
            try:
                assert isinstance(options(cell), dict)
            except (yaml.YAMLError, AssertionError) as error:
                bad[page] = f"{text(cell)[:200]}: {error}"
    assert bad == {}


def test_classes_are_a_list(pages):
    "Quarto writes a string with a blank as it is, and the cell's fence then stands on the page"
    named = [(page, name) for page, cells in pages.items() for c in cells for name in classes(c)]
    assert [(page, name) for page, name in named if " " in name] == []


def test_no_link_within_a_link(pages):
    "nbdev links a documented name in backticks by itself"
    assert [page for page, cells in pages.items() if "[[`" in prose(cells)] == []


def test_no_id_exists_twice(pages):
    ids = {page: own_ids(cells) for page, cells in pages.items()}
    assert {
        page: {i for i in found if found.count(i) > 1} for page, found in ids.items() if len(found) > len(set(found))
    } == {}


def test_equations_carry_the_papers_numbers(pages):
    "Write \\tag{14} in the display; site.lua makes the place and the links to it. Quarto's own labels would count anew"
    assert [p for p, cells in pages.items() if re.search(r"\{#eq-|@eq-", prose(cells))] == []
    there = set(re.findall(r"\\tag\{(\d+)\}", prose(pages["00_theory_taylor.ipynb"])))
    asked = {n for cells in pages.values() for n in re.findall(r"\bEq\. (\d+)", prose(cells))}
    assert asked - there == set()


def test_open_code_fits_the_page(pages):
    "88 columns; what is folded may be wider"
    wide = []
    for page, cells in pages.items():
        shown = [text(c) for c in cells if c["cell_type"] == "code" and options(c).get("code-fold") is False]
        fenced = re.findall(
            r"^```\w*\n(.*?)^```",
            shown_text([c for c in cells if c["cell_type"] == "markdown"]),
            re.DOTALL | re.MULTILINE,
        )
        code = [line for block in shown + fenced for line in block.splitlines() if not line.startswith("#|")]
        wide += [f"{page}: {line}" for line in code if len(line) > 88]
    assert wide == []


def test_job_scripts_name_their_shell(pages):
    blocks = [b for cells in pages.values() for c in cells for b in re.findall(r"```sh\n(.*?)```", text(c), re.DOTALL)]
    jobs = [b for b in blocks if "#SBATCH" in b]
    assert len(jobs) == 2 and all(b.startswith("#!/bin/bash\n") for b in jobs)


def captions(pages: dict):
    "Page and caption of each figure and table that is referred to by number"
    for page, cells in pages.items():
        for cell in (c for c in cells if c["cell_type"] == "code"):
            kind = re.match(r"(fig|tbl)-", options(cell).get("label", ""))
            named = [k for k in ("fig-cap", "tbl-cap") if k in options(cell)]
            yield from ((page, str(options(cell)[k] or "")) for k in named)
            if kind and f"{kind[1]}-cap" not in named:
                yield page, ""


def test_captions_say_what_is_shown(pages):
    "Quarto counts: no caption is empty, a letter, or begins with a number of its own as in 'Figure 11: Fig. 1 on digits'"
    bad = re.compile(r"(Fig|Figure|Tab|Table)\b|\W*\w?\W*$")
    assert [(p, caption) for p, caption in captions(pages) if bad.match(caption)] == []


def test_figures_have_one_output(pages):
    "A figure's cell that shows something else as well becomes two figures, (a) and (b)"
    shown = ("display_data", "execute_result")
    several = [
        (page, options(c)["label"])
        for page, cells in pages.items()
        for c in cells
        if re.match("fig-|tbl-", options(c).get("label", ""))
        and sum(o["output_type"] in shown for o in c.get("outputs", [])) > 1
    ]
    assert several == []


GLOSSARY = "appendix/glossary.ipynb"


def chapters(pages: dict) -> dict[str, list[dict]]:
    "The pages written to be read: chapters and appendix"
    return {p: cells for p, cells in pages.items() if re.match(r"\d\d_|appendix/", p) and p != GLOSSARY}


def test_first_mentions_link_to_the_glossary(pages):
    "Each method and each part of the paper, where a page first names it"
    named = prose(pages[GLOSSARY]).split("## Methods")[1]
    ids = dict(map(reversed, re.findall(r'<a id="([\w-]+)"></a>(?:The )?\*\*(.+?)\*\*', named)))
    assert {"SRe2L", "DM", "DSA", "CutMix", "supplement", "Table 3", "D.1"} < ids.keys()
    unlinked = []
    for page, cells in chapters(pages).items():
        text = re.sub(r"^#.*|`[^`]*`|\$[^$]*\$|\{fig-alt=\"[^\"]*\"\}", "", prose(cells), flags=re.MULTILINE)
        for name in sorted(ids, key=len, reverse=True):  # "DM + weak CE" before "DM"
            mention = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            linked = rf"\[[^]]*{mention}[^]]*\]\([^)]*glossary\.ipynb#{ids[name]}\)"
            first, link = re.search(mention, text), re.search(linked, text)
            if first and not (link and link.start() < first.start() < link.end()):
                unlinked.append(f"{page}: {name}: {text[max(0, first.start() - 40) : first.end()]}")
            text = re.sub(mention, "", text)
    assert unlinked == []


def sentences(markdown: str) -> list[str]:
    "Sentences of prose, links by their words, a formula as one; tables and headings left out"
    plain = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "X", markdown, flags=re.DOTALL)
    plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)(\{[^}]*\})?|<[^>]*>", lambda m: m[1] or "", plain)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", plain)
    spoken = [b for b in map(str.strip, blocks) if not b.startswith(("#", "|", ">"))]
    return [s for b in spoken for s in re.split(r"(?<=[.?!:])[)*]*\s+(?=[*(\[`\"]*[A-Z0-9])", b)]


def test_sentences_are_short(pages):
    "No sentence of a chapter has more than 40 words"
    long = [
        (page, s) for page, cells in chapters(pages).items() for s in sentences(prose(cells)) if len(s.split()) > 40
    ]
    assert long == []


def luminance(colour: str) -> float:
    "Relative luminance of #rrggbb as WCAG defines it"
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["theme.scss", "dark.scss"])
def test_theme_colours_contrast(site, theme):
    colours = dict(re.findall(r"\$([\w-]+): (#\w{6})", (site / theme).read_text()))
    paper = luminance(colours["body-bg"])
    for ink in ("body-color", "primary"):
        dark, light = sorted([paper, luminance(colours[ink])])
        assert (light + 0.05) / (dark + 0.05) >= 4.5, ink


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


def test_pictures_have_a_transparent_ground(pages):
    "In the dark theme a plot is turned; everything else stands on the page itself"
    white = []
    for page, cell, output in outputs(pages):
        if "image/png" in output.get("data", {}) and "plot" not in classes(cell):
            picture = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))).convert("RGBA")
            white += [f"{page}: {text(cell)[:80]}"] if picture.getpixel((0, 0))[3] else []
    assert white == []


def test_no_widget_needs_a_kernel_or_a_network(pages):
    "A page with a widget view or an html output would load scripts from a CDN"
    kinds = {"application/vnd.jupyter.widget-view+json", "application/javascript", "text/html"}
    assert [(page, kinds & o["data"].keys()) for page, _, o in outputs(pages) if kinds & o.get("data", {}).keys()] == []


def strip(cells: list[dict]) -> str:
    "The drawn method of a page"
    return next(text(c) for c in cells if text(c).startswith('<div class="strip')).partition("\n\nThis is")[0]


def test_home_and_chapter_00_draw_the_same_method(pages):
    home = next(text(c) for c in pages["index.ipynb"] if '<div class="strip' in text(c))
    assert strip(pages["00_theory_taylor.ipynb"]) in home
    assert home.count('class="arrow"') == 4


def test_home_opens_the_tour_first(pages):
    buttons = re.findall(r'class="btn ([\w-]+)" href="([^"]+)"', prose(pages["index.ipynb"]))
    assert buttons[0] == ("btn-primary", "tour.ipynb")
    assert buttons[1] == ("btn-outline-primary", "00_theory_taylor.ipynb")


def test_home_says_the_measured_numbers(pages):
    "The two in bold, the one of a single teacher, the table that is printed, and the last frame of the film"
    home, measured = pages["index.ipynb"], json.loads(Path("results/digits_prior_ipc1.json").read_text())
    hard = {r["method"]: r["accuracy"] for r in measured if r["labels"] == "hard"}
    methods = "Teddy, prior pool", "random real images", "single converged teacher"
    teddy, real, one = (f"{mean(hard[m]):.1f} %" for m in methods)
    hero = prose(home[:3]).replace("\u00a0", " ")
    assert re.findall(r"\*\*([\d.]+ %)\*\*", hero) == [teddy, real] and f"reach {one}" in hero
    for m in methods:
        assert re.search(rf"\| {re.escape(m)} +\| hard +\| {format_mean_std(hard[m])} ", shown_text(home))
    film = next("".join(o["data"]["text/markdown"]) for _, c, o in outputs({"": home}) if "film.html" in text(c))
    steps, shown = (json.loads(re.search(rf"\b{name} = (\[.*?\])", film)[1]) for name in ("steps", "scores"))
    assert len(steps) == len(shown) == film.count("<img") - 1
    assert f"{shown[-1]:.1f} %" == teddy and f"real ones give {real}" in film


def test_home_and_chapter_04_answer_whether_random_photographs_would_do(pages):
    "With the measured numbers of one table, which is one click away"
    folder = Path("results/soft_labels/cifar10/10/30000")
    score = {p.stem: json.loads(p.read_text())["accuracy"] for p in folder.glob("*.json")}
    evidence = "08_results.ipynb#with-soft-labels-what-is-a-distilled-image-worth"
    (answer,) = re.findall(
        r"\*\*Are distilled images better than random photographs.*", shown_text(pages["index.ipynb"])
    )
    assert evidence in answer
    assert re.findall(r"[\d.]+ ± [\d.]+", answer) == [
        format_mean_std(score[row]) for row in ("ours", "random", "random_x4", "teddy")
    ]
    head = prose(pages["04_validation.ipynb"][:3])
    assert "are distilled images better than random photographs?" in head and evidence in head
    gain = {row: mean(score[row]) - mean(score["random"]) for row in ("ours", "teddy")}
    assert round(gain["ours"]) == 3 and round(gain["teddy"]) == -2 and "three points better" in head


def test_home_has_a_card_for_each_chapter(pages):
    "With its picture and the minutes that its text takes at 180 words a minute"
    cards = re.findall(
        r"\((images/[\w.-]+)\)\S* \*\*.*?\]\((\d\d_\w+\.ipynb)\)\n.*\*(\d+) min\*", prose(pages["index.ipynb"])
    )
    assert [page for _, page, _ in cards] == sorted(p for p in pages if re.match(r"\d\d_", p))
    for _, page, minutes in cards:
        words = len(re.sub(r"\$\$.*?\$\$", "", prose(pages[page]), flags=re.DOTALL).split())
        assert abs(int(minutes) - words / 180) <= max(2, 0.25 * words / 180), page


def test_fourteen_lines_train_on_the_set(pages):
    code = next(text(c) for c in pages["index.ipynb"] if "LazyLinear" in text(c))
    assert len([line for line in code.splitlines() if not line.startswith("#|")]) == 14
    assert "teddy" not in code
