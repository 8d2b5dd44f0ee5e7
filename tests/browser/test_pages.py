"""The pages in a browser: accessible, reachable by keyboard, silent, self-contained, inert, printable."""

import base64
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pages
import pytest

from soa_evidence.publish import briefing

KINDS = ("page", "withheld", "index", "claims", "changes")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = (1200, 390)
#: Of the set-up site; a real report is longer.
MOST_PAGES = 6
ROOT = Path(__file__).resolve().parents[2]
#: One report of each kind, and the pages about all.
KINDS_BUILT = (
    "primary-hip-readmission", "published-evidence-specialist", "published-survivorship",
    "revision-survival-hip", "study-profile", "better-outcome-case",
)  # fmt: skip
PAGES = ("index.html", "claims.html", "changes.html", *(f"{report}/index.html" for report in KINDS_BUILT))
#: Where reports have been built on this machine; in CI, once they are, none may be absent.
WHOLE = bool(os.environ.get("CI")) and (ROOT / "reports" / "index.html").is_file()
BUILT = [ROOT / "reports" / name for name in PAGES if WHOLE or (ROOT / "reports" / name).is_file()]
#: Nobody should need a glass to read the briefing on paper; a rounding of the printer's aside.
SMALLEST_POINTS = 8.99
BRIEFING = ROOT / "reports" / "better-outcome-case" / "briefing.html"


RUN_AXE = """
const done = arguments[arguments.length - 1];
const told = v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))];
axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']})
  .then(found => done(found.violations.map(told)));
"""
WIDER = """
const most = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= most) return [];
const loose = e => !e.closest('.scroll') && !e.closest('svg') && !e.closest('pre');
return [...document.querySelectorAll('main *')]
  .filter(e => e.getBoundingClientRect().right > most + 1 && loose(e)).slice(0, 4)
  .map(e => e.outerHTML.slice(0, 120));
"""
UNDESCRIBED = """
const out = [];
const said = id => (document.getElementById(id) || {textContent: ''}).textContent.trim();
document.querySelectorAll('svg').forEach(s => {
  if (s.getAttribute('aria-hidden') === 'true') return;
  const texts = (s.getAttribute('aria-labelledby') || '').split(' ').filter(Boolean).map(said);
  if (s.getAttribute('role') !== 'img' || texts.length < 2 || texts.some(t => t.length < 3)) out.push(s.id);
});
document.querySelectorAll('img:not([alt])').forEach(i => out.push(i.outerHTML));
document.querySelectorAll('table').forEach(t => { if (!t.caption) out.push(t.outerHTML.slice(0, 80)); });
return out;
"""


def opened(browser, path, width=1200):
    browser.set_window_size(width, 900)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser"), browser.get_log("performance")
    browser.get("about:blank")
    browser.get(path.as_uri())
    return browser


def violations(browser, axe):
    browser.execute_script(axe)
    return browser.execute_async_script(RUN_AXE, WCAG)


def wider_than_the_window(browser):
    return browser.execute_script(WIDER)


def undescribed(browser):
    return browser.execute_script(UNDESCRIBED)


class Links(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.ids, self.links = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.ids += [held["id"]] if "id" in held else []
        self.links += [held["href"]] if tag == "a" and "href" in held else []

    handle_startendtag = handle_starttag


def dead_links(path):
    """Links of a page that lead to no file, or to no place in it."""
    read = {}

    def ids(file):
        if file not in read:
            read[file] = set(Links(file.read_text(encoding="utf-8")).ids)
        return read[file]

    dead = []
    for link in dict.fromkeys(Links(path.read_text(encoding="utf-8")).links):
        parts = urlsplit(link)
        if parts.scheme:
            dead += [] if parts.scheme in ("https", "http", "data") else [link]
            continue
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not file.is_file() or (parts.fragment and unquote(parts.fragment) not in ids(file)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_at_wcag_2_2_aa(browser, axe, site, kind, width):
    assert violations(opened(browser, site[kind], width), axe) == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_a_phone(browser, site, kind):
    assert wider_than_the_window(opened(browser, site[kind], 390)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_and_table_is_described(browser, site, kind):
    assert undescribed(opened(browser, site[kind])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_for_nothing_and_complains_of_nothing(browser, site, kind):
    opened(browser, site[kind])
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith(("file:", "data:", "about:"))} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_link_inside_the_site_leads_somewhere(site, kind):
    assert dead_links(site[kind]) == []


def test_a_dead_link_would_be_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html">x</a><a href="#no">y</a><a href="#yes" id="yes">z</a>')
    assert dead_links(tmp_path / "a.html") == ["b.html", "#no"]


def test_axe_would_find_a_fault(browser, axe, tmp_path):
    (tmp_path / "a.html").write_text(
        "<!doctype html><title>x</title><img src=''><p style='color:#ccc'>pale</p>"
    )
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {
        name for name, _ in violations(opened(browser, tmp_path / "a.html"), axe)
    }


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
    links = Links(site["page"].read_text(encoding="utf-8")).links
    assert any(link.startswith("data:text/csv") and "%27%3DHYPERLINK" in link for link in links)


def test_two_editions_differ_and_the_page_says_why(browser, site):
    opened(browser, site["changes"])
    text = browser.find_element("id", "main").text
    assert "higher → " in text
    assert "the analysis (notebook)" in text
    assert "evidence pack removed" in text
    assert "Withheld" not in text


# keyboard


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def focused(browser):
    return browser.switch_to.active_element


def tab_to(browser, wanted, most=80):
    from selenium.webdriver import Keys

    for _ in range(most):
        press(browser, Keys.TAB)
        if browser.execute_script("return document.activeElement.matches(arguments[0])", wanted):
            return focused(browser)
    pytest.fail(f"{wanted} was not reached with {most} presses of Tab")


def test_from_index_to_the_source_of_a_number_in_four_activations(browser, site):
    from selenium.webdriver import Keys

    opened(browser, site["index"])
    tab_to(browser, ".reports h3 a")
    press(browser, Keys.ENTER)  # the report
    assert browser.current_url.endswith("one/index.html")
    tab_to(browser, ".answer a.number")
    press(browser, Keys.ENTER)  # the number's record
    row = browser.find_element("css selector", "tr:target")
    assert "credible interval" in row.text
    assert "cell 7 of the notebook" in row.text
    tab_to(browser, "tr:target a[href='#evidence-pack']")
    press(browser, Keys.ENTER)  # the evidence and its source
    assert "example.org" in browser.find_element("css selector", "tr:target a").get_attribute("href")


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
    pdf = base64.b64decode(browser.print_page())
    count = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 1 <= count <= MOST_PAGES


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


@pytest.mark.slow
@pytest.mark.skipif(not BRIEFING.is_file(), reason="the case has not been built on this machine")
def test_the_built_briefing_prints_on_one_side_of_a4(browser, axe, tmp_path):
    copy = tmp_path / BRIEFING.name
    copy.write_bytes(BRIEFING.read_bytes())
    printed = briefing.print_pdf(copy, browser=shutil.which("chromium"))
    assert briefing.pages_of(printed) == 1
    assert briefing.smallest_type(printed) >= SMALLEST_POINTS
    assert violations(opened(browser, BRIEFING), axe) == []
    assert dead_links(BRIEFING) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", BUILT, ids=lambda p: p.relative_to(ROOT / "reports").as_posix())
def test_a_built_page_keeps_all_of_it(browser, axe, path):
    for width in WIDTHS:
        opened(browser, path, width)
        assert [entry["message"] for entry in browser.get_log("browser")] == []
        assert wider_than_the_window(browser) == []
    assert undescribed(browser) == []
    assert dead_links(path) == []
    assert path.stat().st_size < 1_500_000
    assert violations(browser, axe) == []
