"""The page in a real browser: it renders, the viewer works, and nothing leaves the machine.

Chromium is driven over its DevTools protocol through a pair of pipes: no driver, no port, no dependency.
"""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dawson.report.page import page
from dawson.report.results import read_result

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
    "--disable-dev-shm-usage", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--remote-debugging-pipe",
    "--force-device-scale-factor=1", "--hide-scrollbars",
]  # fmt: skip
PATIENCE = 120  # seconds: the machine may be busy with other work


class Browser:
    """One tab of a Chromium of our own."""

    def __init__(self, profile: Path) -> None:
        # Chromium reads commands from descriptor 3 and writes answers to 4; ours must not lie there themselves.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for pair in (os.pipe(), os.pipe()) for end in pair]
        theirs_in, self.write_end, self.read_end, theirs_out = ends
        os.set_inheritable(theirs_in, True)
        os.set_inheritable(theirs_out, True)
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', CHROMIUM, *FLAGS,
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.left, self.events, self.session = 0, b"", [], None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attach = {"targetId": target["targetId"], "flatten": True}
        self.session = self.call("Target.attachToTarget", **attach)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict:
        self.number += 1
        message: dict = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def receive(self) -> dict:
        """The next message; events are kept for later."""
        until = time.monotonic() + PATIENCE
        while b"\0" not in self.left:
            ready, _, _ = select.select([self.read_end], [], [], max(until - time.monotonic(), 0))
            assert ready, "the browser fell silent"
            chunk = os.read(self.read_end, 1 << 20)
            assert chunk, "the browser is gone"
            self.left += chunk
        first, self.left = self.left.split(b"\0", 1)
        message = json.loads(first)
        if "method" in message:
            self.events.append(message)
        return message

    def run(self, script: str) -> object:
        """The value of a JavaScript expression in the page, promises awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, file: Path) -> None:
        self.events.clear()
        self.call("Page.navigate", url=file.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.receive()

    def wait(self, condition: str) -> None:
        until = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < until, f"in vain: {condition}"
            time.sleep(0.05)

    def picture(self, **clip: float) -> np.ndarray:
        options = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        data = self.call("Page.captureScreenshot", format="png", **options)["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def close(self) -> None:
        self.session = None
        try:
            self.call("Browser.close")
        except (AssertionError, OSError):
            pass
        finally:
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, 9)  # its own session, which we began
                self.process.wait()
            os.close(self.write_end)
            os.close(self.read_end)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium here to open the page with")
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    opened.look()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def report(result_folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page(read_result(result_folder)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def viewing(browser, report):
    """The browser with the report open and its viewer ready."""
    browser.open(report)
    browser.wait("document.documentElement.dataset.viewer === 'ready'")
    return browser


def orange(pixels: np.ndarray) -> int:
    """How many pixels lie between grey and the overlay's orange."""
    red, green, blue = (pixels[..., channel].astype(int) for channel in range(3))
    return int(((red - green > 35) & (green - blue > 25) & (red > 120)).sum())


def stage(browser: Browser) -> np.ndarray:
    browser.run("new Promise(done => { dawsonViewer.drawScene(); requestAnimationFrame(() => done()) })")
    box = browser.run("(({x, y, width, height}) => ({x, y: y + scrollY, width, height}))"
                      "(document.querySelector('#canvas').getBoundingClientRect())")  # fmt: skip
    return browser.picture(**box)


def crosshair(browser: Browser) -> list[float]:
    return list(browser.run("Array.from(dawsonViewer.frac2mm(dawsonViewer.scene.crosshairPos)).slice(0, 3)"))


def test_nothing_is_asked_of_the_network_and_nothing_fails(viewing):
    for event in viewing.events:
        if event["method"] == "Network.requestWillBeSent":
            url = event["params"]["request"]["url"]
            assert url.startswith(("file:", "data:", "blob:")), url[:200]
        assert event["method"] != "Runtime.exceptionThrown", event["params"]
        if event["method"] == "Log.entryAdded":
            assert event["params"]["entry"]["level"] != "error", event["params"]["entry"]
    files = [e["params"]["request"]["url"] for e in viewing.events if e["method"] == "Network.requestWillBeSent"]
    assert sum(url.startswith("file:") for url in files) == 1  # the page itself, and no other file


def test_the_page_cannot_reach_out_even_if_it_tried(viewing):
    reached = "fetch('https://example.org').then(() => true, () => false)"
    assert viewing.run(reached) is False
    viewing.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.bad = 1'}))"
    )
    assert viewing.run("window.bad === undefined")
    viewing.events.clear()


def test_the_overlay_is_seen_and_its_slider_works(viewing):
    viewing.run("document.querySelector('#lesions tbody button').click()")
    half = orange(stage(viewing))
    assert half > 100
    viewing.run("opacity.value = 0; opacity.dispatchEvent(new Event('input'))")
    assert orange(stage(viewing)) == 0
    viewing.run("opacity.value = 60; opacity.dispatchEvent(new Event('input'))")
    assert orange(stage(viewing)) == half


def test_the_sequence_is_switched(viewing):
    flair = stage(viewing)
    viewing.run("document.querySelectorAll('#sequences input')[1].click()")
    t1 = stage(viewing)
    assert (np.abs(t1.astype(int) - flair).max(axis=2) > 40).mean() > 0.05
    assert orange(t1) > 100
    viewing.run("document.querySelectorAll('#sequences input')[0].click()")
    assert np.abs(stage(viewing).astype(int) - flair).max() <= 2


def test_a_click_on_a_row_goes_to_its_lesion(viewing, result_folder):
    for lesion in read_result(result_folder).lesions:
        viewing.run(f"[...document.querySelectorAll('#lesions tbody tr')].find(row => row.cells[0].textContent === "
                    f"'{lesion.id}').cells[2].click()")  # fmt: skip
        assert np.abs(np.subtract(crosshair(viewing), lesion.centroid)).max() <= 4.0  # a voxel
        assert viewing.run("current.dataset.lesion") == str(lesion.id)
        assert viewing.run("current.textContent").startswith(f"Lesion {lesion.id}: ")
        assert viewing.run("document.querySelector('#lesions tr[aria-current]').cells[0].textContent") == str(lesion.id)
    viewing.run("document.querySelector('#next').click()")
    assert viewing.run("current.dataset.lesion") == "1"


def test_the_patients_right_is_on_the_viewers_left(viewing, result_folder):
    """Lesion 1 lies on the right, its crosshair is left of the middle of the axial slice."""
    assert viewing.run("dawsonViewer.opts.isRadiologicalConvention") is True
    first = read_result(result_folder).lesions[0]
    assert first.side == "right"
    assert first.centroid[0] > 0
    viewing.run("document.querySelector('#lesions tbody button').click()")
    tile = "dawsonViewer.screenSlices.find(slice => slice.axCorSag === 0).leftTopWidthHeight"
    left, _, width, _ = viewing.run(f"Array.from({tile})")
    seen = stage(viewing)
    columns = [place for place in range(int(left), int(left + width)) if orange(seen[:, place]) > 3]
    assert np.mean(columns) < left + width / 2


def test_the_table_is_sorted_by_click_and_by_key(viewing):
    order = "[...document.querySelectorAll('#lesions tbody tr')].map(row => row.cells[4].textContent).join()"
    head = "document.querySelectorAll('#lesions thead button')[4]"
    viewing.run(f"{head}.click()")
    rising = [float(text) for text in viewing.run(order).split(",")]
    assert rising == sorted(rising)
    assert viewing.run(f"{head}.parentElement.getAttribute('aria-sort')") == "ascending"
    viewing.run(f"{head}.focus()")
    for kind in ("keyDown", "keyUp"):
        viewing.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
        )
    assert [float(text) for text in viewing.run(order).split(",")] == rising[::-1]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_the_window_light_and_dark(viewing, width, dark):
    viewing.look(width=width, dark=dark)
    assert viewing.run("document.documentElement.scrollWidth") <= width
    assert viewing.run("document.querySelector('#canvas').getBoundingClientRect().right") <= width
    pixel = viewing.picture(x=2, y=2, width=4, height=4).mean()
    assert bool(pixel < 60) is dark
    low = viewing.run(f"({CONTRAST})()")
    assert low == [], low
    viewing.look()


CONTRAST = """() => {
  const linear = (v) => (v <= 10.31 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const text = getComputedStyle(at).backgroundColor, colour = parse(text);
      if (text.startsWith("rgb") && (colour.length < 4 || colour[3] === 1)) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest("[disabled], script, noscript, canvas")) continue;
    const [one, two] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) low.push(`${node.tagName} ${node.className} ${ratio.toFixed(2)} ${node.textContent.slice(0, 40)}`);
  }
  return low;
}"""


def test_without_webgl_it_says_so_and_the_rest_stands(browser, report):
    hide = "HTMLCanvasElement.prototype.getContext = () => null"
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=hide)["identifier"]
    try:
        browser.open(report)
        browser.wait("document.documentElement.dataset.viewer === 'unavailable'")
        assert "WebGL 2" in browser.run("document.querySelector('#no-viewer').textContent")
        assert browser.run("document.querySelector('#no-viewer').checkVisibility()")
        assert browser.run("document.querySelectorAll('#lesions thead button').length") > 4
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_names_from_results_run_nothing(browser, write_result, tmp_path):
    """Every text of the summary and the table is hostile at once."""
    bad = "</script><script>window.bad = 1</script><img src=x onerror='window.bad = 1'>"

    def change(summary):
        summary["model"]["name"] = summary["model"]["trained_on"][0]["what"] = bad
        summary["warnings"] = [bad]
        summary["region_rules"] = summary["notice"] = bad
        summary["alignment"]["t1"] = summary["versions"]["python"] = bad
        summary["display"]["sequences"] = ["flair", bad]
        summary["quality"]["checks"][0]["name"] = summary["quality"]["checks"][0]["words"] = bad

    out = write_result(tmp_path / "out", change=change)
    table = (out / "lesions.csv").read_text().replace("right, middle third", bad)
    (out / "lesions.csv").write_text(table.replace("left, middle third", bad))
    file = tmp_path / "report.html"
    file.write_text(page(read_result(out)), encoding="utf-8")
    browser.open(file)
    browser.wait("document.documentElement.dataset.viewer === 'ready'")
    assert browser.run("window.bad === undefined")
    assert browser.run("document.querySelectorAll('img[onerror]').length") == 0
    assert "<img src=x" in browser.run("document.querySelector('#lesions').textContent")
    for event in browser.events:
        assert event["method"] != "Network.requestWillBeSent" or not event["params"]["request"]["url"].endswith("/x")
