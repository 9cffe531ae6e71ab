"The widgets in a real browser: on a page with no kernel and no network, and live in JupyterLab"

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from processes import long

from teddy_nb.plots import loss_curves
from teddy_nb.widgets import Chooser, frame_slider, picture, set_browser, wrap_html

NAMES = ["cat", "caterpillar", "dog"]


@pytest.fixture
def show(chromium, tmp_path):
    "A function that opens a page of widgets; afterwards the page must have been quiet, and asked for nothing else"
    page, noise, asked = chromium.new_page(viewport={"width": 375, "height": 800}), [], []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    def go(*widgets):
        file = tmp_path / "page.html"
        parts = [w if isinstance(w, str) else wrap_html(w.html()) for w in widgets]
        file.write_text(f"<!doctype html><meta charset=utf-8>{''.join(parts)}")
        page.goto(file.as_uri())
        return page

    yield go
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.close()
    assert noise == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert not wide, "the page is wider than a phone"


def image(c: int, i: int):
    "An image that no other class and index shares"
    return torch.full((3, 8, 8), 40 * c + i, dtype=torch.uint8)


def test_frames_follow_the_keys(show):
    page = show(frame_slider(torch.stack([image(0, i) for i in range(4)]), [0, 10, 20, 40], "cat"))
    assert page.locator("img:visible").get_attribute("alt") == "cat, iteration 40 of 40"
    last = page.locator("img:visible").get_attribute("src")
    page.get_by_role("slider").press("ArrowLeft")
    assert page.locator("img:visible").get_attribute("alt") == "cat, iteration 20 of 40"
    assert page.locator("img:visible").get_attribute("src") != last
    page.keyboard.press("Home")
    assert page.locator("figcaption:visible").inner_text() == "cat, iteration 0 of 40"
    assert colour(page, page.locator("img:visible")) == 0


def test_set_browser_moves_by_class_index_and_iteration(show):
    film = {n: torch.stack([image(c, i) + n for c in range(3) for i in range(2)]) for n in (0, 5)}
    page = show(set_browser(film, NAMES))
    shown = page.locator("img:visible")
    assert shown.get_attribute("alt") == "cat, image 1 of 2, iteration 5 of 5"
    page.get_by_label("class").press("ArrowDown")
    page.get_by_label("image", exact=True).press("ArrowRight")
    assert page.locator("figcaption:visible").inner_text() == "caterpillar, image 2 of 2, iteration 5 of 5"
    assert colour(page, shown) == 46
    page.get_by_label("iteration").press("Home")
    assert colour(page, shown) == 41
    page.get_by_label("class").select_option("dog")
    assert colour(page, shown) == 81


def test_a_control_with_one_value_is_not_shown(show):
    page = show(set_browser(torch.stack([image(c, 0) for c in range(3)]), NAMES))
    assert page.locator("label:visible").count() == 1
    page.get_by_label("class").select_option("dog")
    assert page.locator("img:visible").get_attribute("alt") == "dog"


def test_plots_follow_a_menu(show):
    groups = {"terms": {"total": [8.0, 4.0], "BN": [4.0, 2.0]}, "by layer": {"conv1": [3.0, 2.0]}}
    page = show(Chooser(lambda k: picture(loss_curves([*groups.values()][k]), [*groups][k]), {"curves": list(groups)}))
    first = page.locator("img:visible").get_attribute("src")
    page.get_by_label("curves").press("ArrowDown")
    assert page.locator("figcaption:visible").inner_text() == "by layer"
    assert page.locator("img:visible").get_attribute("src") != first


def test_two_widgets_on_a_page_do_not_mix(show):
    one, two = (frame_slider(torch.stack([image(c, i) for i in range(2)]), [0, 1], NAMES[c]) for c in (0, 2))
    page = show(one, two)
    page.get_by_role("slider").last.press("Home")
    captions = page.locator("figcaption:visible").all_inner_texts()
    assert captions == ["cat, iteration 1 of 1", "dog, iteration 0 of 1"]


def test_the_widgets_that_the_chapters_store_work(show):
    "Each shows something for every value of every control, and nothing twice at a time"
    found = 0
    for path in sorted(Path(__file__).parents[1].glob("nbs/*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        outputs = [o.get("data", {}).get("text/html", "") for c in cells for o in c.get("outputs", [])]
        for stored in (html for html in map("".join, outputs) if 'class="teddy"' in html):
            page, found = show(stored), found + 1
            for control in page.locator("input:visible, select:visible").all():
                control.focus()
                for key in ("End", "Home"):
                    page.keyboard.press(key)
                    assert page.locator("[data-at]:visible").count() == 1, path.name
    assert found


def colour(page, img) -> int:
    "The red of the first pixel, as the browser shows it"
    return page.evaluate(
        """async img => {
          await img.decode()
          const pen = document.createElement('canvas').getContext('2d')
          pen.drawImage(img, 0, 0)
          return pen.getImageData(0, 0, 1, 1).data[0]
        }""",
        img.element_handle(),
    )


CELLS = [
    """
import time

import torch
from teddy_nb.widgets import LiveCurves, frame_slider, set_browser
""",
    """
frame_slider(torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 8, 8), [0, 10, 20, 40], "cat")
""",
    """
set_browser(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), ["cat", "dog"])
""",
    """
curves = LiveCurves()
for n in range(60):
    curves.add({"loss": 0.9**n})
    time.sleep(0.1)
curves.draw()
print("no more losses")
""",
]


@contextmanager
def jupyterlab(folder: Path):
    "A JupyterLab server with settings of its own; yields its address"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    quiet = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "spaces"}
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            f"--port={port}",
            f"--notebook-dir={folder}",
        ]
        + ["--IdentityProvider.token=", "--ServerApp.port_retries=0"],
        env=os.environ | {k: str(folder / v) for k, v in own.items()},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/api", 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url: str, seconds: float):
    "Wait until `url` answers"
    give_up = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


@long
def test_live_in_jupyterlab(chromium, tmp_path):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": c.strip(),
        }
        for i, c in enumerate(CELLS)
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "python3"}}
    notebook = {"cells": cells, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "live.ipynb").write_text(json.dumps(notebook))
    with jupyterlab(tmp_path) as address:
        page = chromium.new_page(viewport={"width": 1100, "height": 900})
        page.set_default_timeout(60_000)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/lab/tree/live.ipynb")
        page.get_by_text("| Idle").wait_for()  # the kernel has started
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator("[data-command='runmenu:run-all']").click()
        curve = page.locator(".jp-OutputArea .jp-RenderedImage img")
        curve.first.wait_for()
        before = curve.get_attribute("src")
        page.wait_for_function(
            "before => document.querySelector('.jp-RenderedImage img').getAttribute('src') !== before", arg=before
        )
        page.get_by_text("no more losses", exact=True).wait_for()
        assert curve.count() == 1
        page.locator(".noUi-handle:visible").first.press("ArrowLeft")
        page.locator("img[alt='cat, iteration 20 of 40']").wait_for()
        page.locator(".widget-dropdown select:visible").select_option("dog")
        page.locator(".noUi-handle:visible").nth(1).press("ArrowRight")
        page.get_by_text("dog, image 2 of 2").wait_for()
        page.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
