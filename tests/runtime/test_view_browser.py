"""The live page in a real browser."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers.browser import chromium
from servers.cameras import eventually, free_port, mjpeg_camera

from edgessd.view.password import hash_password

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

Edgessd = Callable[..., tuple[int, str, str]]
PASSWORD = "correct horse"
# Where the box of the class "blue" is drawn: the middle of its green pixels, from 0 to 1, -1 where there are none.
BOX_AT = """(name) => {
  const image = document.querySelector(`[data-camera="${name}"] img`);
  if (!image.naturalWidth) return -1;
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height);
  let [sum, count] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 1] > 150 && data[at] < 130 && data[at + 2] < 150) {
      sum += (at / 4) % width;
      count += 1;
    }
  }
  return count ? sum / count / width : -1;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of 1280x800 pixels; an error in its console, such as of the Content-Security-Policy, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield opened
    context.close()
    told_by_the_network = "Failed to load resource"
    assert [error for error in errors if told_by_the_network not in error] == []


@contextmanager
def run(config: Path, *options: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "edgessd", "run", str(config), *options])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def written(folder: Path, tiny: Path, cameras: dict[str, int], more: str = "") -> tuple[Path, str]:
    """Return a configuration of cameras by name and port, and the address of its page."""
    port, path = free_port(), folder / "c.toml"
    streams = "".join(
        f'[[streams]]\nname = "{name}"\nsource = "http://admin:geheim@127.0.0.1:{camera}/live"\nstale_after = 1\n'
        for name, camera in cameras.items()
    )
    path.write_text(f'model.path = "{tiny}"\n[view]\nport = {port}\n{more}\n{streams}')
    return path, f"http://127.0.0.1:{port}/"


def opened(page: Any, address: str) -> None:
    """Go to a page that may still be starting."""

    def answers() -> bool:
        try:
            page.goto(address)
        except Exception as error:
            # The browser's own page about the refusal may come up during the next attempt.
            if "ERR_CONNECTION_REFUSED" not in str(error) and "chrome-error:" not in str(error):
                raise
            time.sleep(0.2)
            return False
        return True

    assert eventually(answers, 60)


def becomes(page: Any, expression: str) -> bool:
    """Return whether an expression comes true; the page's policy forbids playwright's own way of waiting."""
    return eventually(lambda: page.evaluate(expression), 30)


def state(page: Any, name: str) -> str | None:
    tile = page.locator(f'[data-camera="{name}"]')
    return str(tile.get_attribute("data-state")) if tile.count() else None


def watchers(page: Any) -> int:
    return int(page.evaluate("fetch('/api/status').then((answer) => answer.json()).then((told) => told.watchers)"))


def test_two_cameras_live_and_one_that_dies_and_comes_back(page: Any, tiny: Path, tmp_path: Path) -> None:
    door, yard = free_port(), free_port()
    config, address = written(tmp_path, tiny, {"door": door, "yard": yard})
    camera = ("--blue", "--size", "320x240", "--fps", 15)
    with mjpeg_camera(door, *camera), run(config):
        with mjpeg_camera(yard, *camera):
            opened(page, address)
            for name in ("door", "yard"):
                assert eventually(lambda name=name: state(page, name) == "live", 30)
                seen: set[int] = set()
                assert eventually(lambda seen=seen, name=name: moved(page, name, seen), 30), seen
            assert "FPS" in page.locator('[data-camera="yard"] .figures').inner_text()
            assert watchers(page) == 2
        page.wait_for_selector('[data-camera="yard"][data-state="stale"]')
        badge = page.locator('[data-camera="yard"] .badge').inner_text()
        assert badge.startswith("No new picture since")
        assert "grayscale" in page.evaluate(
            "getComputedStyle(document.querySelector('[data-camera=\"yard\"] img')).filter"
        )
        assert state(page, "door") == "live"
        with mjpeg_camera(yard, *camera):
            page.wait_for_selector('[data-camera="yard"][data-state="live"]')
            seen = set()
            assert eventually(lambda: moved(page, "yard", seen), 30)
            page.click('[data-camera="yard"]')
            page.wait_for_selector(".large img.there")
            assert eventually(lambda: watchers(page) == 1, 10)
            page.click("nav a[href='#/zones']")
            assert eventually(lambda: watchers(page) == 0, 10)
    page.wait_for_selector("#lost:not([hidden])")
    assert "geheim" not in page.content()


def moved(page: Any, name: str, seen: set[int]) -> bool:
    """Note where the box is, in quarters of the frame; return whether it was in three of them."""
    at = page.evaluate(BOX_AT, name)
    if at >= 0:
        seen.add(int(at * 4))
    return len(seen) >= 3


def test_a_zone_is_drawn_and_its_text_accepted(page: Any, edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    door = free_port()
    config, address = written(tmp_path, tiny, {"door": door})
    with mjpeg_camera(door, "--blue", "--size", "320x240"), run(config, "--edit"):
        opened(page, f"{address}#/zones")
        assert becomes(page, "document.querySelector('.stage img')?.naturalWidth === 320")
        draw(page, (0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))
        page.fill("#zone-name", "yard")
        page.wait_for_selector("#zone-problem:not([hidden])")
        assert "cross" in page.inner_text("#zone-problem")
        page.click("text=Clear")
        draw(page, (0.1, 0.1), (0.9, 0.1), (0.9, 0.9))
        page.focus('circle.point[data-point="2"]')
        page.keyboard.press("ArrowLeft")
        page.click("#zone-classes label:has-text('blue')")
        page.fill("#zone-loiter", "20")
        assert becomes(page, "document.querySelector('#zone-text').value.includes('loiter = 20')")
        zone = page.input_value("#zone-text")
        page.click("button[data-kind='line']")
        draw(page, (0.2, 0.5), (0.8, 0.5))
        page.fill("#zone-name", "gate")
        assert becomes(page, "document.querySelector('#zone-text').value.includes('from')")
        page.click("#zone-write")
        assert becomes(page, "document.querySelector('#zone-done').textContent.startsWith('Written')")
        page.fill("#zone-list input", "front")
        page.click("#zone-list button:has-text('Rename')")
        page.wait_for_selector("#zone-list li[data-name='front']")
        assert 'name = "front"' in config.read_text()
        page.click("#zone-list button:has-text('Delete')")
        assert 'name = "front"' in config.read_text()
        page.click("#zone-list button:has-text('Really delete')")
        assert becomes(page, "document.querySelectorAll('#zone-list li').length === 0")
        assert 'name = "front"' not in config.read_text()
    config.write_text(f"{config.read_text()}\n{zone}")
    code, _, err = edgessd("run", config, "--check")
    assert code == 0, err


def test_an_event_appears_with_its_picture(page: Any, tiny: Path, tmp_path: Path) -> None:
    door = free_port()
    sink = f'[run]\ntrack = true\n[[sinks]]\ntype = "events"\npath = "{tmp_path}/events.db"'
    config, address = written(tmp_path, tiny, {"door": door}, sink)
    zone = '[[streams.zones]]\nname = "right"\npolygon = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]\n'
    config.write_text(config.read_text() + zone)
    with run(config):
        opened(page, f"{address}#/events")
        page.wait_for_selector(".empty")
        with mjpeg_camera(door, "--blue", "--size", "320x240"):
            page.wait_for_selector(".event img")
            picture = "document.querySelector('.event img')"
            assert becomes(page, f"{picture}.naturalWidth > 20")
            assert page.inner_text(".event .what") == "blue"
            assert becomes(page, "document.querySelector('#zone').length > 1")
            page.select_option("#zone", "right")
            page.wait_for_selector(".event .where:has-text('door · right')")
            page.click(".event")
            page.wait_for_selector("dialog[open] img")
            assert "right" in page.inner_text("dialog dl")
            page.click("dialog button")
            page.select_option("#camera", "door")
            page.wait_for_selector(".event")
            page.select_option("#span", "3600")
            page.wait_for_selector(".event")


def draw(page: Any, *points: tuple[float, float]) -> None:
    frame = page.locator("svg.drawing").bounding_box()
    for x, y in points:
        page.mouse.click(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])


def test_the_password_is_asked_and_taken(page: Any, tiny: Path, tmp_path: Path) -> None:
    door = free_port()
    config, address = written(tmp_path, tiny, {"door": door}, f'password_hash = "{hash_password(PASSWORD)}"')
    with mjpeg_camera(door), run(config):
        opened(page, address)
        page.fill("input[type=password]", "wrong horse")
        page.click("button")
        page.wait_for_selector("#wrong:not([hidden])")
        page.fill("input[type=password]", PASSWORD)
        page.click("button")
        page.wait_for_selector('[data-camera="door"] img.there')
        assert page.evaluate("document.cookie") == ""  # no script sees it
        page.click("#logout button")
        page.wait_for_selector("input[type=password]")
        page.goto(address)
        page.wait_for_selector("input[type=password]")


def test_a_telephone_and_the_dark(browser: Any, tiny: Path, tmp_path: Path) -> None:
    """Nothing is wider than the screen; dark is the system's choice until somebody makes one."""
    door = free_port()
    config, address = written(tmp_path, tiny, {"door": door, "a-camera-with-a-name-that-has-no-end": free_port()})
    with ExitStack() as stack:
        stack.enter_context(mjpeg_camera(door))
        stack.enter_context(run(config))
        context = browser.new_context(viewport={"width": 390, "height": 780}, color_scheme="dark", has_touch=True)
        stack.callback(context.close)
        page = context.new_page()
        opened(page, address)
        for path in ("#/", "#/camera/door", "#/events", "#/zones"):
            page.goto(address + path)
            page.wait_for_selector("main > *")
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.click("#theme")
        light = page.evaluate(ground)
        assert light != dark
        page.reload()
        assert page.evaluate(ground) == light
