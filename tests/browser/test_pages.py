"""The pages in a browser: accessible, reachable by keyboard, silent, self-contained, inert, printable."""

import re
import shutil

import pages
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

from soa_evidence.publish import briefing

KINDS = ("page", "withheld", "index", "claims", "changes")
WIDTHS = (1200, 390)
#: Of the set-up site; a real report is longer.
MOST_SIDES = 9
#: Nobody should need a glass to read the briefing on paper; a rounding of the printer's aside.
SMALLEST_POINTS = 8.99


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_at_wcag_2_2_aa(browser, axe, site, kind, width):
    opened(browser, site[kind], width)
    assert violations(browser, axe) == []
    unfold(browser)
    assert violations(browser, axe) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_read_and_touched_on_a_phone_and_at_a_zoom_of_400_per_cent(browser, site, kind):
    opened(browser, site[kind], 390)
    assert wider_than_the_window(browser) == []
    assert too_small_to_read(browser) == []
    assert too_small_to_touch(browser) == []
    assert crossed_in_drawings(browser) == []
    set_width(browser, 320)
    assert wider_than_the_window(browser) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_and_table_is_described(browser, site, kind):
    assert undescribed(opened(browser, site[kind])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_for_nothing_and_complains_of_nothing(browser, site, kind):
    opened(browser, site[kind])
    assert complaints(browser) == []
    assert requests(browser) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_link_inside_the_site_leads_somewhere(site, kind):
    assert dead_links(site[kind]) == []


def test_a_dead_link_would_be_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html">x</a><a href="#no">y</a><a href="#yes" id="yes">z</a>')
    assert dead_links(tmp_path / "a.html") == ["b.html", "#no"]


def test_axe_would_find_a_fault(browser, axe, tmp_path):
    (tmp_path / "a.html").write_text(
        "<!doctype html><title>x</title><img src=''><p style='color:#ccc'>pale</p><p>dark</p>"
    )
    found = {name for name, _ in violations(opened(browser, tmp_path / "a.html"), axe)}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= found


def test_what_cannot_be_read_or_touched_would_be_found(browser, tmp_path):
    drawing = (
        '<svg role="img" aria-labelledby="d-title d-desc" viewBox="0 0 200 60" width="200">'
        '<title id="d-title">a</title>'
        '<text x="5" y="20">one</text><text x="9" y="22">two</text><text x="185" y="50">three</text></svg>'
    )
    path = tmp_path / "a.html"
    path.write_text(
        "<!doctype html><main><p style='font-size:9px'>small</p><button style='width:9px'>b</button>"
        f"<p style='width:900px'>wide</p><table><tr><td>x</table>{drawing}</main>"
    )
    opened(browser, path, 390)
    assert wider_than_the_window(browser)[0][0] == "page"
    assert too_small_to_read(browser) == [["small", "9.0"]]
    assert len(too_small_to_touch(browser)) == 1
    assert [[*fault[1:]] for fault in crossed_in_drawings(browser)] == [
        ["one", "crosses", "two"], ["leaves the drawing", "three"],
    ]  # fmt: skip
    assert len(undescribed(browser)) == 2
    path.write_text(
        "<!doctype html><main><table><caption>c</caption><tr><td><p style='width:900px'>x</table></main>"
    )
    opened(browser, path)
    assert len(cut_off_on_paper(browser)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_stay_text(browser, site, kind):
    opened(browser, site[kind])
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.querySelectorAll('img, iframe, object').length") == 0
    assert browser.execute_script("return document.scripts.length") == 1


def test_hostile_names_are_inert_in_csv_files(site):
    for path in site["page"].parent.rglob("*.csv"):
        cells = [c for line in path.read_text(encoding="utf-8").splitlines() for c in line.split(",")]
        assert [c for c in cells if re.match(r'"?[=@]|"?-\d+\+', c)] == []
    links = links_of(site["page"]).links
    assert any(link.startswith("data:text/csv") and "%27%3DHYPERLINK" in link for link in links)


def test_two_editions_differ_and_the_page_says_why(browser, site):
    opened(browser, site["changes"])
    text = browser.find_element("id", "main").text
    assert "higher → " in text
    assert "the analysis (notebook)" in text
    assert "evidence pack removed" in text
    assert "Withheld" not in text


# keyboard


def test_from_index_to_the_source_of_a_number_in_four_activations(browser, site):
    from selenium.webdriver import Keys

    opened(browser, site["index"])
    tab_to(browser, ".reports h3 a")
    press(browser, Keys.ENTER)  # the report
    assert browser.current_url.endswith("one/index.html")
    tab_to(browser, ".answer a.number")
    press(browser, Keys.ENTER)  # the number's record
    record = browser.find_element("css selector", "dialog.record[open]")
    assert "credible interval" in record.text
    assert "cell 7 of the notebook" in record.text
    tab_to(browser, "dialog.record a[href='#evidence-pack']")
    press(browser, Keys.ENTER)  # the evidence and its source
    assert not record.is_displayed()
    assert "example.org" in browser.find_element("css selector", "tr:target a").get_attribute("href")


def test_a_record_opens_over_its_number_and_gives_the_focus_back(browser, axe, site):
    from selenium.webdriver import Keys

    opened(browser, site["page"])
    link = tab_to(browser, ".answer a.number")
    assert link.get_attribute("aria-haspopup") == "dialog"
    for close in (Keys.ESCAPE, Keys.ENTER):  # the second presses the button, which has the focus
        press(browser, Keys.ENTER)
        record = browser.find_element("css selector", "dialog.record[open]")
        assert focused(browser).text == "Close"
        assert violations(browser, axe) == []
        press(browser, close)
        assert not record.is_displayed()
        assert focused(browser) == link
    press(browser, Keys.ENTER)
    tab_to(browser, "dialog.record [data-leads='away']")
    press(browser, Keys.ENTER)
    assert "credible interval" in browser.find_element("css selector", "tr:target").text


def test_a_record_fits_a_phone(browser, axe, site):
    opened(browser, site["page"], 390)
    browser.find_element("css selector", ".answer a.number").click()
    assert browser.find_element("css selector", "dialog.record").is_displayed()
    assert wider_than_the_window(browser) == []
    assert too_small_to_touch(browser) == []


def test_without_scripts_a_number_is_a_link_to_its_row(site):
    assert '<a class="number" href="#number-' in site["page"].read_text(encoding="utf-8")
    assert "<dialog" not in site["page"].read_text(encoding="utf-8").split("<script>")[0]


def test_the_skip_link_comes_first_and_leads_to_the_content(browser, site):
    from selenium.webdriver import Keys

    opened(browser, site["page"])
    press(browser, Keys.TAB)
    assert focused(browser).text == "Skip to the main content"
    press(browser, Keys.ENTER)
    assert focused(browser).get_attribute("id") == "main"


def test_contents_and_terms_work_from_the_keyboard(browser, site):
    from selenium.webdriver import Keys

    opened(browser, site["page"])
    tab_to(browser, "button.term")
    press(browser, Keys.ENTER)
    meaning = browser.find_element("css selector", ".meaning:popover-open")
    assert meaning.text.startswith("Credible interval: The range that holds")
    press(browser, Keys.ESCAPE)
    assert not meaning.is_displayed()
    tab_to(browser, ".contents a[href='#results']")
    press(browser, Keys.ENTER)
    assert browser.current_url.endswith("#results")


def test_a_table_sorts_from_the_keyboard_and_by_value(browser, site):
    from selenium.webdriver import Keys

    opened(browser, site["page"])
    browser.execute_script("document.querySelectorAll('#table-units button.sort')[1].focus()")
    column = "return [...document.querySelectorAll('#table-units tbody tr')].map(r => r.cells[2].textContent)"
    browser.execute_script("document.querySelectorAll('#table-units button.sort')[2].focus()")
    press(browser, Keys.ENTER)
    up = [float(text.split()[0]) for text in browser.execute_script(column)]
    assert up == sorted(up)
    press(browser, Keys.SPACE)
    down = [float(text.split()[0]) for text in browser.execute_script(column)]
    assert down == up[::-1]
    head = browser.find_element("css selector", "#table-units th[aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"


def test_search_and_finder_work_from_the_keyboard_and_are_hidden_without_scripts(browser, site):
    from selenium.webdriver import Keys

    html = site["index"].read_text(encoding="utf-8")
    assert '<div id="search" hidden>' in html
    assert '<div id="finder" hidden>' in html
    opened(browser, site["index"])
    tab_to(browser, "[data-finder]")
    press(browser, *"hyperlink")
    found = browser.find_elements("css selector", "#finder-found a")
    assert [link.text for link in found] == [pages.HOSTILE[2]]
    tab_to(browser, "[data-search]")
    press(browser, *"hips")
    assert browser.find_element("id", "search-said").text == "1 of 2 reports match."
    assert [e.is_displayed() for e in browser.find_elements("css selector", "[data-text]")] == [True, False]
    tab_to(browser, ".reports h3 a")
    press(browser, Keys.ENTER)
    assert browser.current_url.endswith("one/index.html")


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints_on_a_few_pages(browser, site, kind):
    opened(browser, site[kind])
    assert cut_off_on_paper(browser) == []
    assert 1 <= sides_of_paper(browser) <= MOST_SIDES


def test_the_briefing_prints_on_one_side_of_a4(browser, axe, tmp_path):
    """With six claims as full as any: a long text in every place."""
    page = pages.briefing(tmp_path)
    printed = briefing.print_pdf(page, browser=shutil.which("chromium"))
    assert briefing.pages_of(printed) == 1
    assert briefing.smallest_type(printed) >= SMALLEST_POINTS
    for width in WIDTHS:
        opened(browser, page, width)
        assert wider_than_the_window(browser) == []
        assert violations(browser, axe) == []
