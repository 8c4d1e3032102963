"""The page in a real browser: light and dark, wide and narrow, by keyboard alone, without a request, accessible.

Debian's chromium, driven by Playwright's Python package, which needs none of its own browsers; axe-core comes with
`axe-playwright-python`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the dev extra (playwright)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the dev extra (axe-playwright-python)")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no chromium on this machine (Debian: apt install chromium)")
    with sync_api.sync_playwright() as driver:
        # Without its sandbox, since CI runs as root; the page is our own.
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Open the page; whatever it asks for, or complains of, fails the test."""
    pages, complaints, asked = [], [], []

    def go(size: dict[str, int] = WIDE, scheme: str = "light", place: str = "", script: bool = True) -> Any:
        context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=script)
        page = context.new_page()
        pages.append(context)
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(page_file.as_uri() + place)
        if script:
            page.locator("html[data-samples=shown]").wait_for(state="attached")
        return page

    yield go
    for context in pages:
        context.close()
    assert complaints == []
    outside = [url for url in asked if not url.startswith(("data:", page_file.as_uri()))]
    assert outside == []
    assert sum(url.startswith("file:") for url in asked) == len(pages), "one file a visit: the page itself"


def status(page: Any) -> str:
    return str(page.locator("#samples-status").inner_text())


def at(page: Any) -> int:
    """The place of the chosen row in the list."""
    return int(page.locator("#samples-list button[aria-current]").get_attribute("data-place"))


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_page_itself_never_scrolls_sideways(visit: Callable[..., Any], size: dict[str, int]) -> None:
    page = visit(size)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    beyond = """[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll') && !e.closest('.line')
                && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(beyond) == []


def test_light_and_dark_differ_and_each_shows_its_figures(visit: Callable[..., Any]) -> None:
    grounds, pictures = [], []
    for scheme in ("light", "dark"):
        page = visit(scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        images = page.locator("figure img")
        loaded = images.evaluate_all("(all) => Promise.all(all.map((i) => i.decode().then(() => i.naturalWidth)))")
        assert len(loaded) == 7
        assert min(loaded) > 600
        pictures.append(images.evaluate_all("(all) => all.map((i) => i.currentSrc.slice(-80))"))
    assert grounds[0] != grounds[1]
    assert all(one != other for one, other in zip(*pictures, strict=True))


def serious(page: Any, **options: Any) -> list[tuple[str, str, Any]]:
    """What axe calls serious or critical: rule, impact and the first places."""
    found = axe.Axe().run(page, **options).response["violations"]
    told = [(v["id"], v["impact"], [n["target"] for n in v["nodes"]][:3]) for v in found]
    return [t for t in told if t[1] in ("serious", "critical")]


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_axe_finds_nothing_serious(visit: Callable[..., Any], size: dict[str, int], scheme: str) -> None:
    page = visit(size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    only = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # nothing but colours differs in the dark
    assert serious(page, **({"options": only} if scheme == "dark" else {})) == []


def test_axe_would_find_something(visit: Callable[..., Any]) -> None:
    """So that the test above can fail: a picture without words, words too pale."""
    page = visit()
    page.evaluate("""document.querySelector('main').insertAdjacentHTML('beforeend',
        '<div id="planted"><img src="data:,"><p style="color:#ccc;background:#fff">pale</p></div>')""")
    assert {rule for rule, _, _ in serious(page, context="#planted")} == {"image-alt", "color-contrast"}


def test_every_filter_narrows_to_what_it_says(visit: Callable[..., Any]) -> None:
    page = visit()
    form = page.locator("#samples-form")
    assert status(page) == "48 of 48 examples"
    assert form.locator("[name=model]").input_value() == "stage2"
    form.locator("[name=lang]").select_option("zh")
    form.locator("[name=category]").select_option("irrelevance")
    assert status(page) == "8 of 48 examples"
    form.locator("[name=verdict]").select_option("wrong")
    wrong = int(status(page).split()[0])
    form.locator("[name=verdict]").select_option("right")
    assert wrong + int(status(page).split()[0]) == 8
    page.get_by_role("button", name="Clear filters").click()
    page.locator("#samples-status", has_text="48 of 48 examples").wait_for()  # the page's policy lets no function poll
    form.locator("[name=text]").fill("Đà Nẵng")
    assert 0 < int(status(page).split()[0]) < 48
    form.locator("[name=text]").fill("no such words anywhere")
    assert status(page) == "0 of 48 examples"
    assert "No example fits" in page.locator("#samples-detail").inner_text()


def test_two_models_stand_side_by_side_where_an_example_was_won(visit: Callable[..., Any]) -> None:
    page = visit(place="#samples?model=stage2&beside=base&verdict=won")
    count = int(status(page).split()[0])
    assert count > 0
    heads = page.locator("#samples-detail h4").all_inner_texts()
    assert [h.split()[0] for h in heads] == ["base", "stage2"]
    assert "wrong" in heads[0]
    assert "right" in heads[1]
    places = "(all) => all.map((e) => e.getBoundingClientRect()).map((r) => [r.top, r.left, r.right])"
    left, right = page.locator("#samples-detail .answer").evaluate_all(places)
    assert left[0] == right[0]
    assert left[2] <= right[1]
    form = page.locator("#samples-form")
    form.locator("[name=verdict]").select_option("lost")
    lost = int(status(page).split()[0])
    form.locator("[name=verdict]").select_option("")
    right = {}
    for model in ("base", "stage2"):
        form.locator("[name=model]").select_option(model)
        form.locator("[name=beside]").select_option("")
        assert page.locator("#samples-detail .answer").count() == 1
        form.locator("[name=verdict]").select_option("right")
        right[model] = int(status(page).split()[0])
        form.locator("[name=verdict]").select_option("")
    assert right["stage2"] - right["base"] == count - lost


def test_a_link_of_the_anatomy_shows_the_samples_that_it_counts(visit: Callable[..., Any]) -> None:
    page = visit()
    link = page.locator("#anatomy a").first
    count, target = int(link.inner_text().split()[0]), link.get_attribute("href")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")
    # The address changes first; the page follows when it is told.
    page.locator("#samples-title:focus").wait_for()
    assert status(page).startswith(f"{count} of ")
    shown = page.locator("#samples-detail .answer").last.inner_text()
    assert page.locator("#samples-form [name=fault]").input_value().replace("_", " ") in shown


def test_the_list_works_by_keyboard_alone(visit: Callable[..., Any]) -> None:
    page = visit()
    page.locator("#samples-form [name=model]").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#samples-list') !== null"):
            break
    assert page.evaluate("document.activeElement.dataset.place") == "0"
    first = page.locator("#samples-detail").inner_text()
    page.keyboard.press("ArrowDown")
    assert at(page) == 1
    assert page.evaluate("document.activeElement.dataset.place") == "1"
    assert page.locator("#samples-detail").inner_text() != first
    page.keyboard.press("PageDown")
    assert at(page) == 21
    page.keyboard.press("End")
    assert at(page) == 47
    assert page.locator("#samples-page").inner_text() == "page 3 of 3"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    assert at(page) == 0
    assert page.locator("#samples-detail").inner_text() == first
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert at(page) == 1, "any row is a button"


def test_what_is_shown_stands_in_the_address(visit: Callable[..., Any]) -> None:
    page = visit()
    page.locator("#samples-form [name=lang]").select_option("vi")
    page.locator("#samples-list button").nth(3).click()
    shown, address = page.locator("#samples-detail").inner_text(), page.url.split("#")[1]
    again = visit(place=f"#{address}")
    assert again.locator("#samples-detail").inner_text() == shown
    assert at(again) == 3
    strange = visit(place="#samples?model=nobody&verdict=odd&ghost=1")
    assert status(strange) == "48 of 48 examples"


def test_focus_is_seen(visit: Callable[..., Any]) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_completions_are_text_and_no_script_of_theirs_runs(visit: Callable[..., Any]) -> None:
    page = visit(place="#samples?model=base&beside=&text=<script>")
    assert "<script>alert('x')</script> & <b>done</b>" in page.locator("#samples-detail pre").inner_text()
    assert page.locator("#samples-detail script, #samples-detail b").count() == 0


def test_the_page_s_policy_stops_any_other_script(browser: Any, page_file: Path, tmp_path: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    bad.write_text(
        text.replace("</body>", "<script>window.planted = 1</script><img src=x onerror='planted = 2'></body>")
    )
    page = browser.new_page()
    page.goto(bad.as_uri())
    page.locator("html[data-samples=shown]").wait_for(state="attached")
    assert page.evaluate("typeof window.planted") == "undefined"
    page.close()


def test_without_scripts_the_rest_is_there(visit: Callable[..., Any]) -> None:
    page = visit(script=False)
    assert "Samples need the page's script" in page.locator("#samples").inner_text()
    assert page.locator("#samples-body").is_hidden()
    assert page.locator("#before-after article").count() > 0
