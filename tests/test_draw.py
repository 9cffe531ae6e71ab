"The page on which one draws a digit, in a real browser: its networks, its drawing, its distillation"

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import long
from sklearn.metrics import accuracy_score

from teddy_nb.config import get_recipe
from teddy_nb.data.datasets import load_data
from teddy_nb.matching.feature_stats import hook_teachers
from teddy_nb.matching.matching_loss import teacher_loss
from teddy_nb.teachers.models import build_model
from teddy_nb.teachers.pool import load_pool

NBS = Path(__file__).parents[1] / "nbs"
CELLS = json.loads((NBS / "draw.ipynb").read_text())["cells"]
(HTML,) = ["".join(o["data"]["text/html"]) for c in CELLS for o in c.get("outputs", []) if "text/html" in o["data"]]
DATA = json.loads(re.search(r"parentElement, (\{.*\})\)</script>", HTML)[1])


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory):
    file = tmp_path_factory.mktemp("draw") / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body style='margin:8px'>{HTML}")
    page, noise, asked = chromium.new_page(viewport={"width": 390, "height": 844}), [], []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("[data-ready='5']", timeout=60_000)
    yield page
    assert noise == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.close()


def unpack(text: str) -> torch.nn.Module:
    "Read the weights of a network from the page"
    raw, model = base64.b64decode(text), build_model("convnet-3-32-batch", 1, 10, 16)

    def take(kind, *shape):
        nonlocal raw
        n = int(np.prod(shape)) * np.dtype(kind).itemsize
        values, raw = np.frombuffer(raw[:n], kind).reshape(shape), raw[n:]
        return torch.tensor(values.astype(np.float32))

    with torch.no_grad():
        for conv, norm, *_ in model.features:
            scale = take(np.float32, 32, 1)
            conv.weight.copy_((scale * take(np.int8, 32, conv.weight[0].numel())).view_as(conv.weight))
            for v in (conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var):
                v.copy_(take(np.float32, 32))
        scale = take(np.float32, 10, 1)
        model.classifier.weight.copy_(scale * take(np.int8, 10, 128))
        model.classifier.bias.copy_(take(np.float32, 10))
    assert not raw
    return model.eval()


def test_the_page_is_small_and_holds_the_script_as_it_is():
    assert len(HTML.encode()) <= 300_000
    assert (NBS / "assets" / "draw.js").read_text() in HTML


def test_networks_equal_pytorch(page):
    "On every test digit: the enlarged digit to 1e-5, all outputs of the first and the last network to 1e-3"
    data = load_data("digits").test
    x = data.normalize(data.images)
    made = page.evaluate(
        """([digits, data, nets]) => {
          const {readNet, forward, enlarge} = document.querySelector('.draw').engine
          const x = new Float32Array(256 * digits.length / 64)
          for (let i = 0; i < digits.length; i += 64)
            x.set(enlarge([...digits.slice(i, i + 64)].map(c => c.charCodeAt(0) - 65), data), 4 * i)
          return [[...x], ...nets.map(t => [...forward(readNet(t), x, digits.length / 64).logits])]
        }""",
        [DATA["digits"], {k: DATA[k] for k in ("mean", "std")}, [DATA["students"][k]["net"] for k in (0, -1)]],
    )
    assert torch.allclose(torch.tensor(made[0]).view_as(x), x, atol=1e-5)
    scores = []
    for logits, student in zip(made[1:], (DATA["students"][0], DATA["students"][-1]), strict=True):
        with torch.no_grad():
            expected = unpack(student["net"])(x)
        assert torch.allclose(torch.tensor(logits).view(-1, 10), expected, atol=1e-3)
        scores.append(accuracy_score(data.labels, expected.argmax(1)))
    assert scores[0] < 0.75 and scores[-1] > 0.85


def test_loss_and_gradient_equal_pytorch(page):
    "Of the teacher on the ten real digits, as chapter 03 computes them"
    data, cfg = load_data("digits").train, get_recipe("digits_prior").synthesis
    teacher = load_pool("zoo/digits_prior").teachers[-1]
    teacher.model.load_state_dict(unpack(DATA["teacher"]).state_dict())
    (hooked,) = hook_teachers([teacher], data, cfg)
    pixels = np.frombuffer(base64.b64decode(DATA["students"][0]["images"]), np.uint8).reshape(10, 1, 16, 16)
    x = data.normalize(torch.tensor(pixels)).requires_grad_()
    features = hooked.targets[0].features.float()
    loss, grad = page.evaluate(
        """([teacher, means, x]) => {
          const {readNet, teacherLoss} = document.querySelector('.draw').engine
          const {loss, grad} = teacherLoss(readNet(teacher), Float32Array.from(means), Float32Array.from(x))
          return [loss, [...grad]]
        }""",
        [DATA["teacher"], features.flatten().tolist(), x.flatten().tolist()],
    )
    weight = torch.tensor([cfg.bn_weight])
    losses = teacher_loss(hooked.net, x, torch.arange(10), hooked.targets[0], weight, cfg)
    (expected,) = torch.autograd.grad(losses.total.sum(), x)
    assert loss == pytest.approx(losses.total.item(), rel=1e-3)
    assert torch.allclose(torch.tensor(grad).view_as(x), expected, atol=1e-3 * expected.abs().max())


def test_keys_give_test_digits_and_clear(page):
    page.locator("[data-canvas]").focus()
    right = 0
    for key in "01234567":
        page.keyboard.press(key)
        assert page.locator("[data-which]").inner_text().startswith(f"A test digit, a {key}:")
        right += page.locator("[data-guess='1']").inner_text() == key
    assert right >= 5
    page.keyboard.press("Escape")
    assert page.locator("[data-guess='1']").inner_text() == "?"


def test_a_drawing_is_read(page):
    "A ring is a zero for the distilled ten"
    box = page.locator("[data-canvas]").bounding_box()
    at = lambda a: (
        box["x"] + box["width"] * (0.5 + 0.2 * np.cos(a)),
        box["y"] + box["height"] * (0.5 + 0.33 * np.sin(a)),
    )
    page.mouse.move(*at(0))
    page.mouse.down()
    for a in np.linspace(0, 2 * np.pi, 24):
        page.mouse.move(*at(a))
    page.mouse.up()
    assert page.locator("[data-guess='1']").inner_text() == "0"
    page.get_by_role("button", name="Clear").click()


def test_slider_exchanges_the_network(page):
    "The wall and its sentence follow; at 0 both networks are one"
    slider, said = page.get_by_role("slider"), page.locator("[data-right]")
    assert page.locator("[data-when]").inner_text() == "iteration 300"
    score = lambda: float(said.inner_text().split()[0])
    last = score()
    slider.press("Home")
    assert page.locator("[data-when]").inner_text() == "iteration 0"
    assert score() < last - 10
    assert page.locator("[data-right0]").inner_text().split()[0] == said.inner_text().split()[0]
    slider.press("End")
    assert score() == last


def test_phone_and_desktop_fit(page):
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@long
def test_distil_it_yourself(page):
    "The images move, and the student beats that of the ten real digits"
    page.get_by_role("button", name="Distil ten digits").click()
    page.get_by_text("Your student:").wait_for(timeout=300_000)
    mine = float(re.search(r"student: ([\d.]+) %", page.locator("[data-said]").inner_text())[1])
    assert mine > float(page.locator("[data-right0]").inner_text().split()[0])
    assert page.locator("[data-when]").inner_text() == "distilled by yourself"
