"""What is asked of a page in a browser: one question a function, each answered by a list of faults."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: CSS pixels: no text smaller, no target narrower or lower (WCAG 2.2, 2.5.8).
SMALLEST_TEXT, SMALLEST_TARGET = 12.0, 24.0
#: Width of an A4 sheet between the margins of the stylesheet, in CSS pixels.
A4 = round((210 - 2 * 16) / 25.4 * 96)

# Contrast follows from colour, what lies behind, size and weight: each such kind of text is measured once.
# Else axe would spend four fifths of its time on measuring every cell of every table.
_AXE = """
const done = arguments[arguments.length - 1];
const told = v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))];
const behind = e => { for (; e; e = e.parentElement) {
  const hue = getComputedStyle(e).backgroundColor;
  if (hue !== 'rgba(0, 0, 0, 0)' && hue !== 'transparent') return hue; } return ''; };
const kinds = new Map();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walker.nextNode());) {
  const own = node.parentElement;
  if (!node.textContent.trim() || own.closest('script, style, svg') || !own.checkVisibility()) continue;
  const { color, fontSize, fontWeight, opacity } = getComputedStyle(own);
  const kind = [color, behind(own), fontSize, fontWeight, opacity].join();
  if (!kinds.has(kind)) kinds.set(kind, own);
}
const asked = { resultTypes: ['violations'], preload: false };
const rules = { 'color-contrast': { enabled: false } };
(async () => {
  const runOnly = { type: "tag", values: arguments[0] };
  const found = await axe.run(document, { ...asked, rules, runOnly });
  const pale = await axe.run({ include: [...kinds.values()] },
    { ...asked, runOnly: { type: 'rule', values: ['color-contrast'] } });
  done([...found.violations, ...pale.violations].map(told));
})();
"""
_WIDER = """
const most = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= most) return [];
const loose = e => !e.closest('.scroll') && !e.closest('svg') && !e.closest('pre');
return [['page', document.documentElement.scrollWidth], ...[...document.querySelectorAll('main *')]
  .filter(e => e.getBoundingClientRect().right > most + 1 && loose(e)).slice(0, 4)
  .map(e => e.outerHTML.slice(0, 120))];
"""
_UNDESCRIBED = """
const out = [];
const said = id => (document.getElementById(id) || {textContent: ''}).textContent.trim();
document.querySelectorAll('svg').forEach(s => {
  if (s.getAttribute('aria-hidden') === 'true') return;
  const texts = (s.getAttribute('aria-labelledby') || '').split(' ').filter(Boolean).map(said);
  if (s.getAttribute('role') !== 'img' || texts.length < 2 || texts.some(t => t.length < 3)) out.push(s.id);
});
document.querySelectorAll('img:not([alt])').forEach(i => out.push(i.outerHTML));
document.querySelectorAll('table').forEach(t => { if (!t.caption) out.push(t.outerHTML.slice(0, 80)); });
document.querySelectorAll('.statistical').forEach(e => {
  const told = e.textContent.trim();
  if (told.length < 10) out.push('no statistical title: ' + e.parentElement.textContent.slice(0, 80));
});
return out;
"""
_TINY = """
const out = new Map();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walker.nextNode());) {
  const own = node.parentElement;
  if (!node.textContent.trim() || own.closest('script, style, title, desc, .visually-hidden')) continue;
  if (!own.checkVisibility()) continue;
  let size = parseFloat(getComputedStyle(own).fontSize);
  const svg = own.closest('svg');
  if (svg) size *= svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  if (size < arguments[0] - 0.05) out.set(node.textContent.trim().slice(0, 60), size.toFixed(1));
}
return [...out].slice(0, 5);
"""
_CRAMPED = """
const small = e => { const r = e.getBoundingClientRect();
  return r.width > 0 && r.right > 0 && r.bottom > 0 && Math.min(r.width, r.height) < arguments[0] - 0.5; };
// a link within a sentence is excepted by the standard
return [...document.querySelectorAll('a[href], button, input, summary')]
  .filter(e => getComputedStyle(e).display !== 'inline' && e.checkVisibility() && small(e)).slice(0, 5)
  .map(e => e.outerHTML.slice(0, 100));
"""
#: Text in a drawing that leaves it, or that another text crosses; a stamp may cross anything.
_CROSSED = """
const out = [];
document.querySelectorAll('svg[role=img]').forEach(svg => {
  const frame = svg.getBoundingClientRect();
  if (!frame.width) return;
  const name = svg.getAttribute('aria-labelledby').split(' ')[0].replace(/-title$/, '');
  const texts = [...svg.querySelectorAll('text')]
    .filter(t => t.textContent.trim() && t.textContent !== 'SYNTHETIC DATA')
    .map(t => [t.textContent.slice(0, 50), t.getBoundingClientRect()]);
  texts.forEach(([text, box], at) => {
    const aside = Math.max(frame.left - box.left, box.right - frame.right);
    const off = Math.max(frame.top - box.top, box.bottom - frame.bottom);
    if (Math.max(aside, off) > 2)
      out.push([name, 'leaves the drawing', text]);
    for (const [other, there] of texts.slice(at + 1)) {
      const wide = Math.min(box.right, there.right) - Math.max(box.left, there.left);
      const high = Math.min(box.bottom, there.bottom) - Math.max(box.top, there.top);
      const much = 0.4 * Math.min(box.height, there.height);
      if (wide > 2 && high > much) out.push([name, text, 'crosses', other]);
    }
  });
});
return out.slice(0, 8);
"""
_CUT_OFF = """
const most = document.documentElement.clientWidth + 1;
return [...document.querySelectorAll('main table, main svg, main pre, main dl')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > most)
  .slice(0, 4).map(e => [e.getBoundingClientRect().right, e.outerHTML.slice(0, 120)]);
"""


def opened(browser, path, width=1200):
    """Load a page at a width, with nothing left over in the logs."""
    set_width(browser, width)
    browser.get_log("browser"), browser.get_log("performance")
    browser.get("about:blank")
    browser.get(path.as_uri())
    return browser


def set_width(browser, width):
    """Give the window a width in CSS pixels; half of one is a zoom of 200 %."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def unfold(browser):
    """Open everything on a page that folds."""
    browser.execute_script("document.querySelectorAll('main details').forEach(d => { d.open = true; });")


def violations(browser, axe):
    """Return what axe-core finds at WCAG 2.2 AA on the page as it stands."""
    browser.execute_script(axe)
    return browser.execute_async_script(_AXE, WCAG)


def wider_than_the_window(browser):
    """Return what makes the page scroll sideways."""
    return browser.execute_script(_WIDER)


def undescribed(browser):
    """Return pictures without title and description, and tables without a caption."""
    return browser.execute_script(_UNDESCRIBED)


def too_small_to_read(browser):
    """Return texts, in drawings too, that are shown smaller than may be."""
    return browser.execute_script(_TINY, SMALLEST_TEXT)


def too_small_to_touch(browser):
    """Return links and buttons of their own that a finger would miss."""
    return browser.execute_script(_CRAMPED, SMALLEST_TARGET)


def crossed_in_drawings(browser):
    """Return texts of drawings that leave them or cross one another."""
    return browser.execute_script(_CROSSED)


def complaints(browser):
    """Return what the console said."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser):
    """Return the addresses asked for that are not the page's own file."""
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
    return {url for url in asked if not url.startswith(("file:", "data:", "about:"))}


def cut_off_on_paper(browser):
    """Return tables and drawings wider than a printed A4 page."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    set_width(browser, A4)
    found = browser.execute_script(_CUT_OFF)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    return found


def sides_of_paper(browser):
    """Return how many pages a page prints on."""
    return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(browser.print_page())))


class Links(HTMLParser):
    """The ids and the links of a page."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.links = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.ids += [held["id"]] if "id" in held else []
        self.links += [held["href"]] if tag == "a" and "href" in held else []

    handle_startendtag = handle_starttag


@cache
def _read(file, _changed):
    return Links(file.read_text(encoding="utf-8"))


def links_of(path):
    """Return ids and links, read once for as long as the file stays the same."""
    return _read(path, path.stat().st_mtime_ns)


def dead_links(path):
    """Return links of a page that lead to no file, or to no place in it."""
    dead = []
    for link in dict.fromkeys(links_of(path).links):
        parts = urlsplit(link)
        if parts.scheme:
            dead += [] if parts.scheme in ("https", "http", "data") else [link]
            continue
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not file.is_file() or (parts.fragment and unquote(parts.fragment) not in links_of(file).ids):
            dead.append(link)
    return dead
