"""The page in a real browser: it renders, the viewer works, and nothing leaves the machine.

Chromium is driven over its DevTools protocol through a pair of pipes: no driver, no port, no dependency.
"""

from __future__ import annotations

import base64
import csv
import fcntl
import io
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from dawson.reporting.cohort.write import write_cohort
from dawson.reporting.page import page
from dawson.results.read import read_result

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
    "--disable-dev-shm-usage", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--remote-debugging-pipe",
    "--force-device-scale-factor=1", "--hide-scrollbars",
]  # fmt: skip
PATIENCE = 120  # seconds: the machine may be busy with other work


def many_lesions(folder: Path, count: int) -> Path:
    """The table with further lesions of no volume, as if they were there."""
    head, *lines = (folder / "lesions.csv").read_text().splitlines()
    rows = list(csv.reader(lines))
    column = head.split(",").index("volume_ml")
    while len(rows) < count:
        row = list(rows[len(rows) % 4])
        row[0], row[column] = str(len(rows) + 1), "0.000000"
        rows.append(row)
    with (folder / "lesions.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([head.split(","), *rows])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"lesion_count": count}))
    return folder


def scattered(folder: Path, count: int) -> Path:
    """The result with so many lesions of a voxel each, none of which touch, in mask and table."""
    image = nib.load(folder / "lesions.nii.gz")
    places = [(i, j, k) for k in range(10, 30, 3) for j in range(16, 56, 4) for i in range(14, 46, 4)][:count]
    mask = np.zeros(image.shape, np.uint8)
    mask[tuple(np.transpose(places))] = 1
    nib.save(nib.Nifti1Image(mask, image.affine), folder / "lesions.nii.gz")
    volume = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    head = (folder / "lesions.csv").read_text().splitlines()[0]
    lines = []
    for number, place in enumerate(places, start=1):
        x, y, z = image.affine[:3, :3] @ place + image.affine[:3, 3]
        lines.append(f"{number},deep,left,left,{volume:.6f},3.00,{x:.2f},{y:.2f},{z:.2f},0.5000,0.6000,low")
    (folder / "lesions.csv").write_text("\n".join([head, *lines]) + "\n")
    changes = {"lesion_count": len(places), "lesion_load_ml": round(volume * len(places), 6)}
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | changes))
    return folder


def tilted(folder: Path, *, degrees: float) -> Path:
    """The result as of a head that lay turned about two axes: geometry and centroids moved alike."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.eye(4)
    turn[:3, :3] = [[cos, -sin, 0], [sin * cos, cos * cos, -sin], [sin * sin, cos * sin, cos]]
    for name in ("lesions", "anatomy", "display"):
        image = nib.load(folder / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), turn @ image.affine), folder / f"{name}.nii.gz")
    head, *lines = (folder / "lesions.csv").read_text().splitlines()
    rows = list(csv.reader(lines))
    for row in rows:
        row[6:9] = [f"{x:.2f}" for x in turn[:3, :3] @ np.array(row[6:9], float)]
    with (folder / "lesions.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([head.split(","), *rows])
    return folder


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
    return list(browser.run("Array.from(dawsonViewer.frac2mm(dawsonViewer.scene.crosshairPos, 0, true)).slice(0, 3)"))


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


def test_a_printed_table_has_its_head_on_every_page(browser, write_result, tmp_path):
    pypdf = pytest.importorskip("pypdf", reason="pypdf, which reads PDFs back, is not installed")
    out = many_lesions(write_result(tmp_path / "out"), 150)
    file = tmp_path / "report.html"
    file.write_text(page(read_result(out), viewer=False), encoding="utf-8")
    browser.open(file)
    printed = base64.b64decode(browser.call("Page.printToPDF")["data"])
    pages = [" ".join(sheet.extract_text().split()) for sheet in pypdf.PdfReader(io.BytesIO(printed)).pages]
    tabled = [text for text in pages if text.count("middle third") > 5]
    assert len(tabled) > 3
    assert all("Mean probability" in text for text in tabled)
    assert browser.run("document.querySelectorAll('#lesions thead button').length") == 9  # the screen is as before


def test_three_hundred_lesions_are_one_colour_and_each_is_found(browser, write_result, tmp_path):
    """More ids than a byte holds."""
    out = scattered(write_result(tmp_path / "out"), 300)
    file = tmp_path / "report.html"
    file.write_text(page(read_result(out)), encoding="utf-8")
    browser.open(file)
    browser.wait("document.documentElement.dataset.viewer === 'ready'")
    rows = "document.querySelectorAll('#lesions tbody tr')"
    for number in (1, 255, 256, 300):
        browser.run(f"{rows}[{number - 1}].click()")
        assert browser.run("current.dataset.lesion") == str(number)
        assert orange(stage(browser)) > 20


def test_an_oblique_grid_puts_the_crosshair_into_the_lesion(browser, write_result, tmp_path):
    out = tilted(write_result(tmp_path / "out"), degrees=17)
    file = tmp_path / "report.html"
    file.write_text(page(read_result(out)), encoding="utf-8")
    browser.open(file)
    browser.wait("document.documentElement.dataset.viewer === 'ready'")
    for lesion in read_result(out).lesions:
        browser.run(f"document.querySelectorAll('#lesions tbody tr')[{lesion.id - 1}].click()")
        assert browser.run("current.dataset.lesion") == str(lesion.id)
        assert np.linalg.norm(np.subtract(crosshair(browser), lesion.centroid)) <= 4.0


@pytest.fixture(scope="module")
def cohort_opened(browser, write_result, tmp_path_factory):
    """The browser with a cohort of three visits open, one of which failed."""
    folder = tmp_path_factory.mktemp("cohort")

    def fail(summary):
        summary["quality"]["status"] = summary["quality"]["checks"][0]["status"] = "fail"
        summary["quality"]["checks"][0]["words"] = "There is only noise."
        summary["inputs"]["flair"] = summary["inputs"]["flair"] | {"sha256": "12" * 32}

    outs = [
        write_result(folder / "visit 2"),
        write_result(folder / "visit 10", lesions=False),
        write_result(folder / "<script>window.bad = 1<script>", change=fail),
    ]
    (outs[0] / "report.html").write_text("<p id=there>")
    _, file = write_cohort(outs, folder / "cohort")
    browser.open(file)
    return browser


def names(browser: Browser) -> list[str]:
    script = "[...document.querySelectorAll('#visits tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].innerText)"
    return list(browser.run(script))


def test_the_cohort_is_sorted_and_filtered(cohort_opened):
    bad = "<script>window.bad = 1<script>"
    head = "document.querySelectorAll('#visits thead button')"
    cohort_opened.run(f"{head}[0].click()")
    assert names(cohort_opened) == [bad, "visit 2", "visit 10"]  # as people count
    cohort_opened.run(f"{head}[0].click()")
    assert names(cohort_opened) == ["visit 10", "visit 2", bad]
    cohort_opened.run(f"{head}[4].click()")
    assert names(cohort_opened)[0] == "visit 10"  # it has no lesion
    cohort_opened.run(f"{head}[1].click(), {head}[1].click()")
    assert names(cohort_opened)[0] == bad  # failed ones first
    assert cohort_opened.run(f"{head}[1].parentElement.getAttribute('aria-sort')") == "descending"
    enter = "box => { box.value = WORDS; box.dispatchEvent(new Event('input')) }"
    for words, left in (("NOISE only", [bad]), ("visit", ["visit 2", "visit 10"]), ("nowhere", [])):
        cohort_opened.run(f"({enter.replace('WORDS', json.dumps(words))})(document.querySelector('#filter'))")
        assert sorted(names(cohort_opened)) == sorted(left)
        assert cohort_opened.run("shown.textContent") == f"{len(left)} of 3 shown"
    cohort_opened.run(f"({enter.replace('WORDS', json.dumps(''))})(document.querySelector('#filter'))")
    assert len(names(cohort_opened)) == 3
    assert cohort_opened.run("window.bad === undefined")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_cohort_fits_the_window_light_and_dark(cohort_opened, width, dark):
    cohort_opened.look(width=width, dark=dark)
    assert cohort_opened.run("document.documentElement.scrollWidth") <= width
    assert bool(cohort_opened.picture(x=2, y=2, width=4, height=4).mean() < 60) is dark
    low = cohort_opened.run(f"({CONTRAST})()")
    assert low == [], low
    cohort_opened.look()


def test_the_cohort_asks_nothing_of_the_network_and_its_links_lead_to_reports(cohort_opened):
    asked = [e["params"]["request"]["url"] for e in cohort_opened.events if e["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith("file:") for url in asked) and len(asked) <= 1
    link = cohort_opened.run("document.querySelector('#visits tbody a').href")
    cohort_opened.call("Page.navigate", url=link)
    cohort_opened.wait("document.querySelector('#there') !== null")
