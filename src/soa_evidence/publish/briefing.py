"""The case on one side of A4: a page of its own, made from the same bundles as the report, and its PDF.

The page has no sentence that the report has not; its figures lead to their records there. The PDF is the page
printed by a headless Chromium, where there is one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soa_evidence.errors import BuildError
from soa_evidence.publish.bundles import Bundles
from soa_evidence.publish.project import Project
from soa_evidence.publish.templating import date_in_words, fill

__all__ = ["BROWSERS", "PAGE", "PDF", "pages_of", "pdf", "print_pdf", "render", "smallest_type"]

PAGE, PDF = "briefing.html", "briefing.pdf"
#: Names under which a Chromium may be installed, the first found is used.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 60
_RECORD = re.compile(r'href="#(?=number-|given-)')
_PAGE_OBJECT = re.compile(rb"/Type\s*/Page\b")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SCALE = re.compile(rb"([\d.]+) 0 0 -?[\d.]+ [\d.-]+ [\d.-]+ cm")
_TYPE = re.compile(rb"/F\d+ ([\d.]+) Tf")
_SIDES = (
    ("for", "●", "for"),
    ("against", "◆", "against"),
    ("cannot_tell", "○", "cannot tell"),
    ("small", "■", "small"),
)


def render(bundles: Bundles, *, report: Mapping[str, str], run: Mapping[str, Any]) -> str:
    """Return the briefing.

    Parameters
    ----------
    bundles
        What the notebook showed; holds exactly one case.
    report
        ``id``, ``title`` and ``question``.
    run
        The run record, for its date.

    Raises
    ------
    BuildError
        When the notebook showed several cases.
    """
    from markupsafe import Markup

    if len(bundles.cases) != 1:
        raise BuildError(
            f"Report '{report['id']}' shows {len(bundles.cases)} cases; a briefing is made from exactly one."
        )
    claims = []
    for one in bundles.cases[0]["claims"]:
        told = {name: Markup(_to_report(one[name])) for name in ("for", "against", "care", "printed")}
        marks = [
            (sign * one["counts"][side], side, word) for side, sign, word in _SIDES if one["counts"][side]
        ]
        claims.append({**one, **told, "marks": marks})
    return fill(
        "briefing.html.jinja",
        report=report,
        claims=claims,
        caveat=_caveat(bundles),
        edition=date_in_words(run.get("this_run", {}).get("started", "")),
    )


def _caveat(bundles: Bundles) -> str:
    """Return the last sentence of the report's answer, which tells the caveat that matters most."""
    said = [str(one["text"]) for head in bundles.headlines for one in head.get("sentences", ())]
    return said[-1] if said else ""


def _to_report(html: str) -> str:
    """Lead the figures to their records, which stand on the report's own page."""
    return _RECORD.sub('href="index.html#', html)


def pdf(project: Project, *, browser: str | None = None) -> list[Path]:
    """Print every briefing that has been built; return the files made.

    Parameters
    ----------
    browser
        Path of a Chromium; one of `BROWSERS` is looked for when it is not given.

    Raises
    ------
    BuildError
        When no briefing has been built, there is no Chromium, or it made no file.
    """
    pages = sorted(project.reports.glob(f"*/{PAGE}"))
    if not pages:
        raise BuildError("No briefing has been built. Run `soa-evidence build better-outcome-case` first.")
    found = browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise BuildError(
            f"No Chromium was found (looked for {', '.join(BROWSERS)}), so no PDF was made. Install one "
            "(Debian: apt-get install chromium), or open briefing.html in a browser and print it: it fits "
            "one side of A4."
        )
    return [print_pdf(page, browser=found) for page in pages]


def print_pdf(page: Path, *, browser: str) -> Path:
    """Print a page beside itself as PDF with a Chromium, offline; return the file.

    Raises
    ------
    BuildError
        When the browser does not run or makes no file.
    """
    target = page.with_suffix(".pdf")
    draft = target.with_name(target.name + ".new")
    # root, as in a container, may not use the sandbox; the page is our own and loads nothing
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [
        browser, "--headless", *as_root, "--disable-gpu", "--no-pdf-header-footer",
        f"--print-to-pdf={draft.resolve()}", page.resolve().as_uri(),
    ]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            f"{browser} could not print {page.name} ({type(error).__name__}). "
            "Open the page in a browser and print it."
        ) from None
    if not draft.is_file():
        raise BuildError(
            f"{browser} printed {page.name} but left no file. Open the page in a browser and print it."
        )
    draft.replace(target)
    return target


def pages_of(file: Path) -> int:
    """Return how many pages a PDF made by Chromium has."""
    return len(_PAGE_OBJECT.findall(file.read_bytes()))


def smallest_type(file: Path) -> float:
    """Return the size in points of the smallest type in a PDF made by Chromium.

    Raises
    ------
    BuildError
        When the PDF holds no type that can be read.
    """
    sizes = []
    for stream in _STREAM.findall(file.read_bytes()):
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue  # a font or an image
        if found := _TYPE.findall(drawn):
            # the page is set in hundredths of an inch or so, and pixels within it: two scales in a row
            scale = 1.0
            for factor in dict.fromkeys(_SCALE.findall(drawn)):
                scale *= abs(float(factor))
            sizes += [scale * float(size) for size in found]
    if not sizes:
        raise BuildError(f"{file.name} holds no type that can be read; expected a PDF printed by Chromium.")
    return min(sizes)
