"One thread for all that the tests start, and a headless Chromium, where one is installed"

import os
import shutil
import sys
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.append(str(Path(__file__).parents[1] / "tools"))  # For nbdev, which settings.ini sends there

FLAGS = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update disable-sync"


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no Chromium on PATH")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=[f"--{f}" for f in FLAGS.split()])
        yield browser
        browser.close()
