"""Pages in a browser: no request, no error, and visible content.

One headless Chromium opens all of them; without it, these tests are skipped.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses, PositionSource
from pose_ros.report import ComparisonBuilder, ReportBuilder

BLAZE = skeletons.get("blazepose33")
INFO = RunInfo("walk.mcap", "blazepose-full", "cpu", versions={"pose_ros": "0.1.0"})
ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def write_pages(folder: Path) -> list[Path]:
    report = ReportBuilder(INFO)
    comparison = ComparisonBuilder((INFO, None), ("one", "two"))
    for i in range(30):
        time = i / 10
        event = {5: "started", 15: "ended"}.get(i, "held")
        gestures = [Gesture("point", "left", 0, event, 0.8, 0.1)] if 5 <= i <= 15 else []
        stamp = round(time * NANOSECONDS)
        first, second = (
            Result(i, stamp, 640, 480, walker(time, shift), None, tuple(gestures), "camera", "walk")
            for shift in (0.0, 0.02)
        )
        image = np.full((480, 640, 3), (90, 140, 60), np.uint8)
        report.add(first, image, latency=0.04 + 0.01 * (i % 3))
        comparison.add(first, second, image)
    report.write(folder / "report.html")
    comparison.write(folder / "comparison.html")
    return [folder / "report.html", folder / "comparison.html"]


def walker(time: float, shift: float) -> Poses:
    spread = np.random.default_rng(5).normal(0.0, 0.3, (1, len(BLAZE), 3))
    spread[..., 2] = 3.0
    camera = spread + (time - 1.5 + shift, 0.0, 0.0)
    pixels = 500.0 * camera[..., :2] / camera[..., 2:] + (320.0, 240.0)
    joints = (1, len(BLAZE))
    return Poses(
        skeleton=BLAZE,
        ids=np.array([0]),
        scores=np.array([0.9]),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        keypoints=pixels,
        keypoint_scores=np.full(joints, 0.9),
        camera=camera,
        camera_sources=np.full(joints, PositionSource.DEPTH),
        camera_sigmas=np.full(joints, 0.05),
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service
    from urllib3.exceptions import HTTPError

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no chromium or chromedriver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for attempt in range(3):
        try:
            opened = webdriver.Chrome(options=options, service=Service(driver))
            break
        except (HTTPError, WebDriverException):  # on a busy machine it does not always come up
            if attempt == 2:
                raise
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[Path]:
    return write_pages(tmp_path_factory.mktemp("pages"))


def requests(browser: Any) -> tuple[set[str], list[str]]:
    """Return the requests and errors of the browser since the last call."""
    asked, failed = set(), []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"].split(",")[0])
        elif message["method"] == "Network.loadingFailed":
            failed.append(message["params"]["errorText"])
    return asked, failed


def test_page_shows_in_a_browser_without_errors_or_requests(browser, pages) -> None:
    for page in pages:
        for width, height in SIZES.values():
            look(browser, page, width, height)


def look(browser: Any, page: Path, width: int, height: int) -> None:
    """Open a page at a window size and check its visible content."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    requests(browser)
    browser.get(page.as_uri())
    # on a slow machine Chrome reports its own new tab
    log = browser.get_log("browser")
    assert [entry for entry in log if not entry["message"].startswith("chrome://")] == []
    asked, failed = requests(browser)
    assert page.as_uri() in asked
    assert all(url == page.as_uri() or url.startswith("data:") for url in asked)
    assert failed == []
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('h1, section, .card, figure svg, .scroll, img')].map("
        "e => [e.tagName, e.id, e.getBoundingClientRect().width, e.getBoundingClientRect().height,"
        " e.closest('details:not([open])') !== null])"
    )
    assert len(boxes) > 15
    for tag, name, wide, high, hidden in boxes:
        assert hidden or (wide > 20 and high > 8), f"{tag} {name}: {wide} x {high}"
    # a drawing fits, or says that it scrolls
    scrolling = browser.execute_script(
        "return [...document.querySelectorAll('figure:not(.floor) > .scroll')].map(e =>"
        " [e.scrollWidth > e.clientWidth, e.previousElementSibling.getBoundingClientRect().height])"
    )
    assert scrolling
    for is_wider, height_of_hint in scrolling:
        assert is_wider == (width < 600)
        assert (height_of_hint > 8) == is_wider
    # wide content scrolls in its own box; the page does not
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(script) <= 0
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    assert browser.execute_script(loaded)
    opened = browser.execute_script(
        "const d = document.querySelector('details'); if (!d) return 1;"
        "d.querySelector('summary').click(); return d.lastElementChild.offsetHeight"
    )
    assert opened > 0
    shot = base64.b64decode(browser.get_screenshot_as_base64())
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_text_is_readable_in_dark_and_light_mode(browser, pages) -> None:
    """Text stands out from what is behind it by at least 4.5 to 1, as WCAG 2.1 asks."""
    seen = set()
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        browser.get(pages[0].as_uri())
        colors = browser.execute_script(
            "const s = getComputedStyle(document.documentElement);"
            "return ['ink', 'muted', 'accent', 'panel', 'page', 'warn'].map("
            "n => s.getPropertyValue('--' + n).trim())"
        )
        *texts, panel, ground, warn = (luminance(color) for color in colors)
        seen.add(ground)
        for text in texts:
            for behind in (panel, ground):
                assert contrast(text, behind) >= 4.5, scheme
        assert contrast(texts[0], warn) >= 4.5, scheme
    assert len(seen) == 2
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2.1."""
    values = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(a: float, b: float) -> float:
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)
