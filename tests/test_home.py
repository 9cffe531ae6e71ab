"The film of home in a real browser"

from pathlib import Path

import pytest

FILM = Path(__file__).parents[1] / "nbs/assets/film.html"
PARTS = {"real": "", "frames": "<img><img><img>", "last": 2, "steps": [0, 10, 300], "scores": [69.6, 82, 89.3]}


@pytest.fixture
def opened(chromium, request):
    "The film with three frames, for a reader with or without reduced motion, whose clock stands"
    context = chromium.new_context(reduced_motion=getattr(request, "param", "no-preference"))
    page, html = context.new_page(), FILM.read_text()
    for name, part in PARTS.items():
        html = html.replace(f"[[{name}]]", str(part))
    page.clock.install(time=0)
    page.clock.pause_at(600_000)
    page.set_content(f"<style>img {{ width: 9px; height: 9px }} [hidden] {{ display: none }}</style>{html}")
    yield page
    context.close()


def shown(page) -> list[str]:
    return [page.locator(f"[data-{name}]").inner_text() for name in ("step", "now")]


def test_film_plays_once_and_ends_on_the_distilled_set(opened):
    opened.get_by_role("button", name="Stop").wait_for()
    assert shown(opened) == ["0 of 300", "69.6 %"]
    opened.clock.run_for(1300)
    assert shown(opened) == ["10 of 300", "82.0 %"]
    opened.clock.run_for(60_000)
    assert shown(opened) == ["300 of 300", "89.3 %"]
    assert opened.locator("[data-frames] img:visible").count() == 1
    assert opened.get_by_role("slider").get_attribute("aria-valuetext") == "iteration 300, 89.3 %"


def test_the_slider_stops_the_film(opened):
    opened.get_by_role("button", name="Stop").wait_for()
    opened.get_by_role("slider").press("ArrowRight")
    opened.clock.run_for(60_000)
    assert shown(opened) == ["10 of 300", "82.0 %"]


@pytest.mark.parametrize("opened", ["reduce"], indirect=True)
def test_film_stands_where_motion_is_unwanted(opened):
    opened.clock.run_for(60_000)
    assert shown(opened) == ["300 of 300", "89.3 %"]
    opened.get_by_role("button", name="Play").click()
    assert shown(opened) == ["0 of 300", "69.6 %"]
