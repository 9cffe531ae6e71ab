"The widgets in a real browser: on a page with no kernel and no network, and live in JupyterLab"

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from processes import long

from teddy_nb.runs.distilled_set import encode_png
from teddy_nb.runs.files import write_file, write_json
from teddy_nb.widgets.browser import ImageBrowser, RunBrowser
from teddy_nb.widgets.curves import LossCurves, PoolCurve
from teddy_nb.widgets.figures import FrameSlider, wrap_html

NAMES = ["cat", "caterpillar", "dog"]


@pytest.fixture
def show(chromium, tmp_path):
    "A function that opens a viewer's page; afterwards the page must have been quiet, and asked for nothing else"
    page, noise, asked = chromium.new_page(viewport={"width": 375, "height": 800}), [], []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    def go(viewer):
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><meta charset=utf-8>{wrap_html(viewer.html())}")
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
    page = show(FrameSlider(torch.stack([image(0, i) for i in range(4)]), [0, 10, 20, 40], "cat"))
    assert page.locator("img:visible").get_attribute("alt") == "cat, iteration 0 of 40"
    first = page.locator("img:visible").get_attribute("src")
    page.get_by_role("slider").press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("img:visible").get_attribute("alt") == "cat, iteration 20 of 40"
    assert page.locator("img:visible").get_attribute("src") != first
    page.keyboard.press("End")
    assert page.locator("figcaption:visible").inner_text() == "cat, iteration 40 of 40"


def test_loss_curves_read_off_by_key_and_by_pointer(show):
    losses = {"total": [8.0, 4.0, 2.0], "BN": [4.0, 2.0, 1.0]}
    page = show(LossCurves({"terms": losses, "by layer": {"conv1": [3.0, 2.0, 1.5]}}))
    reading = page.locator(".caption span:visible")
    assert reading.inner_text() == "iteration 2: total 2, BN 1"
    page.get_by_role("slider", name="iteration").press("ArrowLeft")
    assert reading.inner_text() == "iteration 1: total 4, BN 2"
    box = page.locator(".panel:visible > svg").bounding_box()
    page.mouse.move(box["x"] + 60 / 480 * box["width"], box["y"] + 50)
    assert reading.inner_text() == "iteration 0: total 8, BN 4"
    page.get_by_label("curves").select_option("by layer")
    assert reading.inner_text() == "iteration 2: conv1 1.5"


def test_pool_curve_names_the_teachers_in_the_window(show):
    curve = [(1, 0.2), (2, 0.4), (3, 0.6)]
    page = show(PoolCurve(curve, curve))
    page.get_by_role("slider", name="from").press("ArrowRight")
    assert page.locator(".caption").inner_text() == "2 of 3 teachers: stage 2 (40.0 %), 3 (60.0 %)"
    assert page.locator(".stage.out").count() == 1
    page.get_by_role("slider", name="to").press("Home")
    assert page.locator(".caption").inner_text() == "2 of 3 teachers: stage 1 (20.0 %), 2 (40.0 %)"


def test_the_timeline_of_chapter_07_says_who_makes_what(show):
    notebook = json.loads((Path(__file__).parents[1] / "nbs/07_scale.ipynb").read_text())
    outputs = [o.get("data", {}).get("text/html", "") for c in notebook["cells"] for o in c.get("outputs", [])]
    (stored,) = [html for html in map("".join, outputs) if 'class="teddy"' in html]
    page = show(SimpleNamespace(html=lambda: stored))
    said = page.locator(".caption span:visible")
    page.get_by_role("slider", name="second").press("Home")
    assert said.inner_text() == "0.0 s: process 1 makes pool manifest, process 2 waits"
    page.keyboard.press("End")
    assert "process 1 makes nothing more" in said.inner_text()
    page.get_by_label("run").select_option("4 processes")
    assert "process 4 " in said.inner_text()


def test_image_browser_filters_and_moves(show):
    page = show(ImageBrowser(NAMES, 3, image, lambda c, i: image(c, i + 10), lambda c, i: f"loss {c}.{i}"))
    large, real = page.locator(".pair img").all()
    page.get_by_label("class").press("ArrowDown")
    page.get_by_label("image").press("ArrowRight")
    assert page.locator(".caption").inner_text() == "caterpillar, image 2 of 3. loss 1.1"
    assert large.get_attribute("alt") == "caterpillar, synthesized image 2"
    assert colour(page, large) == 41
    assert colour(page, real) == 51
    page.locator(".thumbs img").nth(2).click()
    assert colour(page, large) == 42
    thumb = page.get_by_role("button", name="caterpillar, image 1")
    thumb.press("Enter")
    assert colour(page, large) == 40
    assert thumb.get_attribute("aria-pressed") == "true"
    page.get_by_label("image").press("End")
    page.get_by_label("filter").fill("no such class")
    assert page.locator(".caption").inner_text() == "No class name contains 'no such class'."
    page.get_by_label("filter").fill("DOG")
    assert page.get_by_label("class").inner_text().split() == ["dog"]
    assert colour(page, large) == 82


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


def test_run_browser_changes_the_run(show, tmp_path):
    for ipc, run in enumerate(("first", "second"), 1):
        write_json(tmp_path / run / "recipe.json", {"name": run, "ipc": ipc})
        write_json(tmp_path / run / "distilled" / "classes.json", [{"folder": n, "name": n} for n in NAMES])
        for c, name in enumerate(NAMES):
            for i in range(ipc):
                write_file(tmp_path / run / "distilled" / name / f"{i:05d}.png", encode_png(image(c, i)))
    page = show(RunBrowser(tmp_path))
    page.get_by_label("run").press("ArrowDown")
    assert page.locator(".caption:visible").inner_text() == "cat, image 1 of 2"
    page.locator("details:visible", has_text="Recipe").locator("summary").press("Enter")
    assert page.locator("td:visible").all_inner_texts() == ["name", "second", "ipc", "2"]


CELLS = [
    """
from dataclasses import replace

import torch
from teddy_nb.bn_matching import synth_block
from teddy_nb.widgets.browser import ImageBrowser
from teddy_nb.widgets.curves import LossCurves
from teddy_nb.data.datasets import load_data
from teddy_nb.teachers.pool import Pool, make_teacher
from teddy_nb.config import get_recipe
from teddy_nb.matching.engine import Engine
from teddy_nb.teachers.training import new_model
from teddy_nb.widgets.figures import FrameSlider
""",
    """
frames = FrameSlider(torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 8, 8), [0, 10, 20, 40], "cat")
frames
""",
    """
ImageBrowser(["cat", "dog"], 2, lambda c, i: torch.zeros(3, 8, 8, dtype=torch.uint8))
""",
    """
curves = LossCurves({})
curves
""",
    """
data, arch = load_data("digits").train, "convnet-3-32-batch"
teacher = make_teacher(new_model(arch, data, 0), arch, 1, 0.1, data)
pool = Pool("single", (teacher,), teacher, data.classes, data.channels, data.size, data.mean, data.std)
cfg = replace(get_recipe("digits_prior").synthesis, n_teachers=1)
synth_block(Engine(pool, data, cfg), range(1), lambda step, images, losses: curves.add({"losses": losses.means()}))
curves.draw()
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
        curve = page.locator(".jp-OutputArea polyline").first
        curve.wait_for()
        before = curve.get_attribute("points")
        page.wait_for_function(
            "before => document.querySelector('polyline').getAttribute('points') !== before", arg=before
        )
        page.locator(".noUi-handle").first.press("ArrowRight")
        page.locator("img[alt='cat, iteration 10 of 40']").wait_for()
        page.locator(".noUi-handle").nth(1).press("ArrowRight")
        page.locator(".noUi-handle").nth(2).press("ArrowRight")
        page.get_by_text("dog, image 2 of 2").wait_for()
        page.get_by_text(re.compile(r"iteration 299: total [\d.]+, cross-entropy [\d.]+, BN terms")).wait_for()
        page.locator(".panel input").press("ArrowLeft")
        page.get_by_text(re.compile(r"iteration 294: total [\d.]+, cross-entropy [\d.]+, BN terms")).wait_for()
        page.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
