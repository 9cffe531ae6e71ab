"The site that Quarto rendered into _docs, in a real browser"

import gzip
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "_docs"
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
PAGES = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.html"))
KB = 1000
pytestmark = pytest.mark.skipif(not PAGES, reason="the site is not rendered; make docs does that")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        "Say nothing"


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=DOCS))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(chromium, request):
    "A browser whose system prefers a colour scheme"
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 1440, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(chromium):
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    yield page
    page.close()


def weight(response) -> int:
    "Count the bytes of a response as a server with gzip sends it"
    body = response.body()
    return min(len(body), len(gzip.compress(body)))


@pytest.mark.parametrize("name", PAGES)
def test_no_markup_is_left_in_the_text(page, address, name):
    page.goto(address + name)
    assert "__main__." not in page.locator("main").first.text_content()
    page.evaluate("document.querySelectorAll('main :is(pre, code, math, svg, script)').forEach(e => e.remove())")
    assert re.findall(r":::.*|\]\(.*|\{#.*", page.locator("main").first.text_content()) == []


@pytest.mark.parametrize("name", [p for p in PAGES if p != "404.html"])
def test_page_is_quiet_light_and_readable(theme, address, name):
    page, noise, answers = theme.new_page(), [], []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address + name)
    assert noise == []
    assert [a.url for a in answers if not a.url.startswith((address, "data:", "blob:")) or a.status != 200] == []
    assert sum(weight(a) for a in answers if a.url.startswith(address)) <= (400 if name == "index.html" else 1000) * KB
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate(CONTRAST) == []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


LONG = """() => [...document.querySelectorAll('main p, main li')]
  .filter(e => e.checkVisibility() && !e.querySelector('math')).map(e => {
  const lines = Math.round(e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))
  return [Math.round(e.textContent.trim().length / lines), e.textContent.trim().slice(0, 60), lines]
}).filter(([letters, text, lines]) => lines > 3 && letters > 80)"""
CLIPPED = """() => [...document.querySelectorAll('main pre, main table, main .cell-output-display, main figure')]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.trim().slice(0, 60))"""


@pytest.mark.parametrize("name", [p for p in PAGES if p != "404.html"])
def test_lines_are_short_and_nothing_is_clipped(page, address, name):
    "At most 80 letters a line; code that stands open, tables and figures have room on a desk"
    page.goto(address + name)
    assert page.evaluate(LONG) == []
    assert page.evaluate(CLIPPED) == []


SHRUNK = """share => [...document.querySelectorAll('main .plot img[width]')].filter(e => e.checkVisibility())
  .map(e => [e.alt.slice(0, 60), e.getBoundingClientRect().width / e.getAttribute('width')]).filter(([alt, kept]) => kept < share)"""


@pytest.mark.parametrize("name", [p for p in PAGES if p != "404.html"])
def test_words_of_plots_can_be_read_on_a_phone(page, address, name):
    "A plot's smallest words have 9 points: no plot keeps less than 72 % of its width, and wide ones scroll"
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address + name)
    assert page.evaluate(SHRUNK, 0.72) == []


def test_contents_for_language_models_are_there(page, address):
    answer = page.request.get(address + "llms.txt")
    pages = re.findall(r"\(https://[^/]+/teddy_nb/([^)]+)\)", answer.text())
    assert sorted(pages) == sorted(p for p in PAGES if p != "404.html")


def test_theme_follows_the_system_and_the_switch(theme, address):
    page = theme.new_page()
    page.goto(address)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("document.body.classList.contains('quarto-dark')") == dark
    page.locator(".quarto-color-scheme-toggle:visible").first.press("Enter")
    assert page.evaluate("document.body.classList.contains('quarto-dark')") != dark
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_folds_say_what_they_hold(name):
    labels = re.findall(r"<details[^>]*class=\"code-fold\"[^>]*>\s*<summary>(.*?)</summary>", (DOCS / name).read_text())
    assert [label for label in labels if label.strip() in ("", "Show the code")] == []


def test_code_folds_and_unfolds_by_keyboard(page, address):
    page.goto(address + "bn_matching.html")
    fold = page.locator("details.code-fold").first
    assert not fold.locator("code").is_visible()
    fold.locator("summary").press("Enter")
    assert fold.locator("code").is_visible()
    fold.locator("summary").press("Enter")
    assert not fold.locator("code").is_visible()


def test_equation_links_lead_to_the_papers_number(page, address):
    page.goto(address + "theory_taylor.html")
    links = [link.get_attribute("href") for link in page.locator("main a[href*='#eq']").all()]
    numbers = {n for link in links for n in re.findall(r"#eq(\d+)$", link)}
    assert numbers
    for number in numbers:
        assert page.locator(f"#eq{number} mrow").first.text_content().endswith(f"({number})")
    page.goto(address + "ablations.html")
    page.locator("main a[href*='#eq']").first.click()
    page.locator(":target > math").wait_for()


def test_search_finds_a_function(page, address):
    page.goto(address)
    page.keyboard.press("f")
    page.keyboard.type("synthesize")
    page.locator("[id^=quarto-search-item], .aa-Item a, .search-result-title").first.wait_for()


def test_404_leads_home(page, address):
    text = (DOCS / "404.html").read_text()
    assert 'href="/teddy_nb/index.html"' in text
