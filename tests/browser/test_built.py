"""Every page built on this machine, in a browser; in CI, once they are built, none may be absent."""

import os
import shutil
from pathlib import Path

import pytest
from keys import focused, press, tab_to
from probes import (
    complaints,
    crossed_in_drawings,
    cut_off_on_paper,
    dead_links,
    links_of,
    opened,
    requests,
    set_width,
    sides_of_paper,
    too_small_to_read,
    too_small_to_touch,
    undescribed,
    unfold,
    violations,
    wider_than_the_window,
)

from soa_evidence.publish import briefing, catalogue
from soa_evidence.publish.project import Project

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports"
WHOLE = bool(os.environ.get("CI")) and (REPORTS / "index.html").is_file()
BRIEFING = REPORTS / "better-outcome-case" / briefing.PAGE
FRONT = [REPORTS / name for name in ("index.html", "claims.html", "changes.html")]
PAGES = [REPORTS / report.id / "index.html" for report in catalogue.load(Project(ROOT)).reports]
BUILT = [path for path in (*FRONT, BRIEFING, *PAGES) if WHOLE or path.is_file()]
#: A phone held upright, a page of 1,280 pixels at a zoom of 200 %, and at 400 % (WCAG 1.4.10).
PHONE, DOUBLED, REFLOWED = 390, 640, 320
LARGEST_FILE = 1_500_000
#: Sides of A4. Numbers' records are not printed; the claims of all reports together are long.
MOST_SIDES, ALL_CLAIMS = 24, 40
#: Reports tried with everything open that folds; the tables and the code of others are made in the same way.
UNFOLDED = ("waiting-times", "study-profile", "unit-profiles-rrj")

pytestmark = pytest.mark.slow
needs_front = pytest.mark.skipif(
    not (WHOLE or all(path.is_file() for path in (FRONT[0], *PAGES))), reason="not all reports are built here"
)


def named(path):
    return path.relative_to(REPORTS).as_posix()


@pytest.mark.parametrize("path", BUILT, ids=named)
def test_a_built_page_is_whole_for_every_reader(browser, axe, path):
    opened(browser, path)
    assert complaints(browser) == []
    assert requests(browser) == set()
    assert undescribed(browser) == []
    assert crossed_in_drawings(browser) == []
    for width in (DOUBLED, REFLOWED, PHONE):
        set_width(browser, width)
        assert (width, wider_than_the_window(browser)) == (width, [])
    assert too_small_to_read(browser) == []
    assert too_small_to_touch(browser) == []
    assert crossed_in_drawings(browser) == []
    assert cut_off_on_paper(browser) == []
    set_width(browser, 1200)
    assert 1 <= sides_of_paper(browser) <= (ALL_CLAIMS if path.name == "claims.html" else MOST_SIDES)
    if path.parent.name in UNFOLDED:
        unfold(browser)
    assert violations(browser, axe) == []
    assert complaints(browser) == []


@pytest.mark.parametrize("path", BUILT, ids=named)
def test_links_and_size_of_a_built_page(path):
    assert dead_links(path) == []
    found = links_of(path).ids
    assert len(found) == len(set(found))
    assert path.stat().st_size < LARGEST_FILE


@pytest.mark.skipif(not BRIEFING.is_file(), reason="the case has not been built on this machine")
def test_the_built_briefing_prints_on_one_side_of_a4(tmp_path):
    copy = tmp_path / BRIEFING.name
    copy.write_bytes(BRIEFING.read_bytes())
    printed = briefing.print_pdf(copy, browser=shutil.which("chromium"))
    assert briefing.pages_of(printed) == 1
    assert briefing.smallest_type(printed) >= 8.99  # nine points, a rounding aside


@needs_front
def test_from_the_built_index_to_where_a_hospitals_number_comes_from_in_four_activations(browser):
    """Is my hospital different, how sure are you, and where does that number come from?"""
    from selenium.webdriver import Keys

    opened(browser, FRONT[0])
    tab_to(browser, "[data-finder]")
    press(browser, *"hunt")
    found = browser.find_elements("css selector", "#finder-found a")
    assert [link.text for link in found] == [
        "The Robert Jones and Agnes Hunt Orthopaedic Hospital NHS Foundation Trust"
    ]
    tab_to(browser, "#finder-found a")
    press(browser, Keys.ENTER)  # first: the hospital
    assert "Robert Jones" in browser.find_element("tag name", "h1").text
    link = tab_to(browser, ".answer p:nth-of-type(2) a.number")  # an estimate; the first are counts
    said = link.text
    press(browser, Keys.ENTER)  # second: a number's record
    record = browser.find_element("css selector", "dialog.record[open]")
    assert "interval" in record.text
    assert "Method:" in record.text
    assert said
    tab_to(browser, "dialog.record a[href^='#evidence-']")
    press(browser, Keys.ENTER)  # third: the evidence, with its source
    row = browser.find_element("css selector", "tr:target")
    assert row.find_element("css selector", "a[href^='https://']").get_attribute("href")


@needs_front
def test_a_built_number_is_read_and_closed_where_it_stands(browser):
    from selenium.webdriver import Keys

    opened(browser, REPORTS / "primary-hip-readmission" / "index.html")
    link = tab_to(browser, ".answer a.number")
    press(browser, Keys.ENTER)
    assert browser.find_element("css selector", "dialog.record").is_displayed()
    press(browser, Keys.ESCAPE)
    assert not browser.find_element("css selector", "dialog.record").is_displayed()
    assert focused(browser) == link
