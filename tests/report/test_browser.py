"""The page in a real browser, from disk, without a network: `make browser-test`. Left out where there is no Chromium."""

import json
import shutil

import pytest

from rheostax.plot.panels import COLORS
from rheostax.record.read import read_run
from rheostax.report import page as write_page
from rheostax.report import report

playwright = pytest.importorskip("playwright.sync_api", reason="the page isn't opened in a browser: make browser-test does it")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path")

HOSTILE = '</script><script>document.title = "taken"</script><img src=x onerror="document.title=1"><b>'


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    logs = [read_run(path) for path in runs]
    (folder / "one.html").write_text(write_page(report(logs[:1])))
    (folder / "two.html").write_text(write_page(report(logs)))
    (folder / "hostile.html").write_text(write_page(report(logs, names=[HOSTILE, "other"])))
    killed = shutil.copytree(runs[0], folder / "killed")
    (killed / "summary.json").unlink()
    (killed / "journal.jsonl").unlink()
    text = (killed / "metrics.jsonl").read_bytes()
    (killed / "metrics.jsonl").write_bytes(text[: len(text) // 2])
    (folder / "killed.html").write_text(write_page(report([*logs[:1], read_run(killed)])))
    return folder


@pytest.fixture
def visit(browser, files):
    """Open a page and wait for its curves; whatever the browser complains of, or asks the network for, fails the test."""
    opened = []

    def go(name, **options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True, **options)
        page = context.new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None)
        page.goto((files / name).as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector("#chart[data-ready]", timeout=60_000)
        opened.append((context, said))
        return page

    yield go
    for context, said in opened:
        context.close()
        assert said == []


def axis(page):
    return page.evaluate("(({xaxis}) => ({range: xaxis.range, title: xaxis.title.text}))(document.getElementById('chart')._fullLayout)")


def wait(page, condition):
    page.wait_for_function(f"() => {{ const layout = document.getElementById('chart')._fullLayout; return {condition}; }}", timeout=30_000)


def test_curves_are_drawn_on_one_axis(visit, runs):
    page = visit("one.html")
    drawn = page.evaluate("document.getElementById('chart').data.map((one) => ({x: one.x, y: one.y, xaxis: one.xaxis, name: one.name}))")
    log = read_run(runs[0])
    (validation,) = [one for one in drawn if one["name"] == "val_r2"]
    assert validation["x"] == log.series["val_r2"].count.tolist()
    assert validation["y"] == pytest.approx(log.series["val_r2"].value.tolist(), rel=1e-5)
    assert {one.get("xaxis") for one in drawn} <= {"x", None}
    assert page.locator("#chart .lines path.js-line").count() >= 5
    marked = page.evaluate("document.getElementById('chart')._fullLayout.shapes.map((one) => one.x0)")
    assert marked == [record["count"] for record in log.journal]


def test_hovering_shows_the_values_of_every_panel(visit):
    page = visit("one.html")
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.wait_for_selector("#chart .hoverlayer .legend text", timeout=30_000)
    shown = page.locator("#chart .hoverlayer").text_content()
    for name in ("updates: ", "val_loss", "val_r2", "learning rate"):
        assert name in shown
    assert "had not improved" not in shown


def test_hovering_near_a_decision_tells_it(visit, runs):
    page = visit("one.html")
    decision = read_run(runs[0]).journal[0]
    place = f"document.getElementById('chart')._fullLayout.xaxis.c2p({decision['count']})"
    box = page.locator("#chart .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + page.evaluate(place) + 2, box["y"] + 100)
    page.wait_for_selector("#chart .hoverlayer .legend text", timeout=30_000)
    assert f"cut 0.03 -> 0.015 at update {decision['count']}: " in page.locator("#chart .hoverlayer").text_content()


def test_the_keyboard_zooms_moves_and_reads(visit, runs):
    page = visit("one.html")
    low, high = axis(page)["range"]
    page.focus("#chart")
    page.keyboard.press("+")
    wait(page, f"layout.xaxis.range[1] - layout.xaxis.range[0] < {(high - low) * 0.6}")
    zoomed = axis(page)["range"]
    page.keyboard.press("ArrowRight")
    wait(page, f"layout.xaxis.range[0] > {zoomed[0]}")
    page.keyboard.press("0")
    wait(page, f"Math.abs(layout.xaxis.range[0] - {low}) < 1e-6")
    page.keyboard.press("]")
    first = read_run(runs[0]).journal[0]
    assert f"updates {first['count']}: " in page.inner_text("#readout")
    assert first["why"] in page.inner_text("#readout")
    page.wait_for_selector("#chart .hoverlayer .legend text", timeout=30_000)
    page.keyboard.press(".")
    assert f"updates {first['count'] + 1}: " in page.inner_text("#readout")


def test_a_run_is_not_read_after_its_end(visit):
    page = visit("killed.html")
    page.focus("#chart")
    page.keyboard.press(".")
    assert page.inner_text("#readout").startswith("updates 0: seed-0: learning rate 0.03; killed: learning rate 0.03")
    box = page.locator("#chart .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 100)
    page.wait_for_function("() => document.querySelector('#chart .hoverlayer').textContent.includes('seed-0: val_loss')", timeout=30_000)
    assert "killed" not in page.locator("#chart .hoverlayer").text_content()
    page.focus("#chart")
    page.keyboard.press("]")
    assert "killed: val_loss" in page.inner_text("#readout")
    for _ in range(5):
        page.keyboard.press("]")
    assert "seed-0: val_loss" in page.inner_text("#readout")
    assert "killed" not in page.inner_text("#readout")


def test_buttons_zoom_and_a_decision_can_be_shown(visit, runs):
    page = visit("one.html")
    low, high = axis(page)["range"]
    page.click("[data-do=in]")
    wait(page, f"layout.xaxis.range[1] - layout.xaxis.range[0] < {(high - low) * 0.6}")
    page.click("[data-do=reset]")
    wait(page, f"Math.abs(layout.xaxis.range[1] - {high}) < 1e-6")
    page.locator("button.show").nth(1).click()
    second = read_run(runs[0]).journal[1]
    page.wait_for_function("() => document.getElementById('readout').textContent !== ''")
    assert second["why"] in page.inner_text("#readout")
    assert axis(page)["range"][0] < second["count"] < axis(page)["range"][1]


def test_dragging_zooms_and_a_double_click_shows_all(visit):
    page = visit("one.html")
    low, high = axis(page)["range"]
    box = page.locator("#chart .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50, steps=5)
    page.mouse.up()
    wait(page, f"layout.xaxis.range[1] - layout.xaxis.range[0] < {(high - low) * 0.4}")
    page.mouse.dblclick(box["x"] + box["width"] * 0.4, box["y"] + 50)
    wait(page, f"Math.abs(layout.xaxis.range[1] - {high}) < 1e-6")


def test_the_axis_changes_to_epochs_and_to_the_clock(visit, runs):
    page = visit("one.html")
    count = read_run(runs[0]).series["val_r2"].count
    page.check("input[value=epochs]")
    wait(page, "layout.xaxis.title.text === 'epochs'")
    positions = page.evaluate("document.getElementById('chart').data.find((one) => one.name === 'val_r2').x")
    assert positions == pytest.approx((count / 9).tolist())
    page.check("input[value=wall-clock]")
    wait(page, "layout.xaxis.title.text.endsWith('since the start')")
    seconds = page.evaluate("document.getElementById('chart').data.find((one) => one.name === 'val_r2').x")
    unit = {"seconds": 1, "minutes": 60, "hours": 3600}[axis(page)["title"].split()[0]]
    assert seconds == pytest.approx((read_run(runs[0]).series["val_r2"].time / unit).tolist(), rel=1e-4)


def test_runs_can_be_hidden_and_told_apart(visit):
    page = visit("two.html")
    colors = "[...new Set(document.getElementById('chart').data.filter((one) => one.mode !== 'markers').map((one) => one.line.color))]"
    assert page.evaluate(colors) == list(COLORS[:2])
    page.uncheck("input[name=run][value='0']")
    page.wait_for_function(f"() => {colors}.length === 1", timeout=30_000)
    assert page.evaluate(colors) == [COLORS[1]]
    before = page.evaluate("document.getElementById('chart').data.length")
    page.check("#show-training")
    page.wait_for_function(f"() => document.getElementById('chart').data.length > {before}", timeout=30_000)


def luminance(color):
    parts = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colors(page, *names):
    told = """(names) => names.map((name) => { const probe = document.createElement("i"); probe.style.color = `var(${name})`;
        document.body.append(probe); const color = getComputedStyle(probe).color; probe.remove(); return color; })"""
    return page.evaluate(told, list(names))


def test_both_themes_can_be_read_and_are_chosen(visit):
    page = visit("two.html", color_scheme="dark")
    for dark in (True, False, True):  # as the system, then light, then dark
        ground, raised, ink, quiet, accent, warn_ground, warn_ink = colors(
            page, "--ground", "--raised", "--ink", "--quiet", "--accent", "--warn-ground", "--warn-ink"
        )
        assert (luminance(ground) < 0.1) == dark
        for front, back in ((ink, ground), (ink, raised), (quiet, ground), (quiet, raised), (accent, ground), (warn_ink, warn_ground)):
            assert contrast(front, back) >= 4.5
        for color in COLORS:
            assert contrast(f"rgb({int(color[1:3], 16)}, {int(color[3:5], 16)}, {int(color[5:], 16)})", ground) >= 3
        text = page.evaluate("getComputedStyle(document.querySelector('#chart .xtick text')).fill")
        assert contrast(text, ground) >= 4.5
        page.click("#theme")
        page.wait_for_timeout(300)
    assert page.inner_text("#theme") == "Theme: as the system"


def test_print_shows_the_still_picture_on_white(visit):
    page = visit("one.html", color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.is_visible("#chart")
    assert not page.is_visible(".controls")
    assert not page.is_visible("button.show >> nth=0")
    assert page.is_visible(".still img")
    assert page.evaluate("document.querySelector('.still img').naturalWidth") > 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_what_is_said_of_the_still_picture_is_true_in_print(visit):
    page = visit("two.html")
    assert "pale ones training metrics" in page.inner_text("#curves")
    page.emulate_media(media="print")
    says = "Colours are runs; lines with points are validation metrics; triangles and dotted verticals are decisions."
    assert page.inner_text("#curves p.keys >> nth=-1") == says


def test_a_rate_falls_in_steps(visit):
    page = visit("one.html")
    shapes = page.evaluate("document.getElementById('chart').data.filter((one) => one.label).map((one) => [one.label, one.line.shape])")
    assert {label: shape for label, shape in shapes if shape == "hv"} == {"learning rate": "hv"}
    assert len(shapes) == 5


@pytest.mark.parametrize("width", [500, 360])
def test_on_a_narrow_screen_tables_scroll_in_their_own_box(visit, width):
    page = visit("two.html")
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(f"() => document.documentElement.scrollWidth === {width}", timeout=30_000)
    box = "document.querySelector('#comparison .wide')"
    assert page.evaluate(f"[{box}.scrollWidth > {box}.clientWidth, getComputedStyle({box}).overflowX]") == [True, "auto"]
    assert page.evaluate("document.querySelector('#comparison .chip').getBoundingClientRect().height") < 30  # names aren't broken


def test_without_script_the_still_picture_stands_for_the_curves(visit):
    page = visit("one.html", java_script_enabled=False)
    assert page.is_visible(".still img")
    assert not page.is_visible("#chart")


def test_the_first_key_reaches_the_skip_link(visit):
    page = visit("one.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_hostile_name_stays_text(visit):
    page = visit("hostile.html")
    assert page.title() == "2 runs: learning rate report"
    page.focus("#chart")
    page.keyboard.press("]")
    page.wait_for_selector("#chart .hoverlayer .legend text", timeout=30_000)
    assert page.locator("main img").count() == 1
    assert page.locator("#chart b, #chart img, #chart script").count() == 0
    assert HOSTILE in page.inner_text("#readout")
    assert page.title() == "2 runs: learning rate report"


def test_the_policy_stops_what_is_not_the_pages_own(files, browser):
    """The test above would pass without the policy, too: here a script is put in on purpose."""
    text = (files / "one.html").read_text().replace("<main", '<script>document.title = "taken"</script><main', 1)
    (files / "taken.html").write_text(text)
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((files / "taken.html").as_uri())
    page.wait_for_selector("#chart[data-ready]", timeout=60_000)
    answer = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'loaded', () => 'refused')")
    assert (page.title(), answer) == ("seed-0: learning rate report", "refused")
    assert all("Content Security Policy" in one for one in said), json.dumps(said)
    assert len(said) >= 2
    page.close()
