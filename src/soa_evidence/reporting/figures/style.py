"""One house style for every figure: hues, marks, canvas, and the way from matplotlib to inert SVG.

A figure is drawn twice from the same data, for the width of a page and for the width of a phone, so that its
text keeps the size of text. The same class always has the same hue and the same mark, so that neither colour
nor shape is needed alone.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from soa_evidence.reporting import safe
from soa_evidence.reporting.figures import layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = [
    "GENERAL",
    "INDEPENDENT",
    "INK",
    "MUTED",
    "SPECIALIST",
    "Draw",
    "Mark",
    "Size",
    "mark_of",
    "render",
]

INK = "#12284c"
MUTED = "#505a6b"
GRID = "#dde2ea"
BAND = "#eef2f7"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', sans-serif"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How a class is drawn; `filled` False draws an open mark."""

    family: str
    hue: str
    shape: str
    filled: bool
    label: str

    @property
    def face(self) -> str:
        """Colour inside the mark."""
        return self.hue if self.filled else "#ffffff"


# Hues of Okabe and Ito (2008), which people with the common colour deficiencies can tell apart.
SPECIALIST = Mark(family="specialist", hue="#d55e00", shape="o", filled=True, label="specialist")
GENERAL = Mark(family="general", hue="#0072b2", shape="o", filled=False, label="NHS general")
INDEPENDENT = Mark(family="independent", hue="#009e73", shape="D", filled=True, label="independent")
OTHER = Mark(family="other", hue="#505a6b", shape="s", filled=False, label="other")


def mark_of(group: object) -> Mark:
    """Return the mark of a class by its name: 'large acute' and other size bands are drawn as NHS general."""
    name = str(group).lower()
    if "specialist" in name:
        return SPECIALIST
    if "independent" in name or "private" in name:
        return INDEPENDENT
    if any(word in name for word in ("general", "acute", "nhs", "teaching", "large", "medium", "small")):
        return GENERAL
    return OTHER


@dataclass(frozen=True, kw_only=True)
class Size:
    """A canvas: `width` in CSS pixels, and how many letters fit beside a mark."""

    name: str
    width: int
    letters: int

    @property
    def narrow(self) -> bool:
        """Whether this is the phone's canvas."""
        return self.name == "narrow"


SIZES = (Size(name="wide", width=680, letters=70), Size(name="narrow", width=360, letters=42))
TEXT = 14.5
SMALL = 13
TINY = 12.75  # nothing smaller: 12 CSS pixels on a phone, whose screen is a little narrower than the canvas

_HEAD_LINES, _HEAD_LINE = 3, 17.0

#: Draws one figure on a canvas of a size.
Draw = Callable[["Canvas", Size], None]

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "soa-evidence",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the layout is the same everywhere
    "font.size": 14,  # the canvas has 72 dots an inch, so a point is a pixel
    "text.parse_math": False,  # a dollar sign in a hospital's name is no formula
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.grid": False,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.spines.bottom": False,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def _settings() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # a glyph that matplotlib's font lacks (an emoji in a name) is still in the browser's fonts
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        mpl.rcdefaults()
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value  # type: ignore[index]  # the stubs list every key as a literal
        yield


def render(draw: Draw, *, id: str, height: Callable[[Size], float], synthetic: bool) -> dict[str, str]:
    """Return the SVG text of a figure by size name, deterministic and free of identifiers of others.

    Parameters
    ----------
    draw
        Draws on the canvas it is given.
    id
        The figure's id; put before every id inside the SVG, which must be unique on the page.
    height
        Height of the canvas in pixels for a size.
    synthetic
        Whether "SYNTHETIC DATA" is written over the picture.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    drawn = {}
    for size in SIZES:
        with _settings():
            canvas = Canvas(figsize=(size.width / 72, height(size) / 72), dpi=72)
            FigureCanvasSVG(canvas)
            draw(canvas, size)
            box = layout.settle(canvas, size.width)
            if synthetic:
                _stamp(canvas, size)
            sheet = io.StringIO()
            canvas.savefig(sheet, format="svg", metadata={"Date": None}, bbox_inches=box)
        drawn[size.name] = _inert(sheet.getvalue(), f"{id}-{size.name}")
    return drawn


def _stamp(canvas: Canvas, size: Size) -> None:
    canvas.text(
        0.5,
        0.5,
        "SYNTHETIC DATA",
        rotation=18,
        ha="center",
        va="center",
        fontsize=30 if size.narrow else 52,
        fontweight="bold",
        color="#b00020",
        alpha=0.22,
    )


def _inert(svg: str, prefix: str) -> str:
    """Keep only the drawing: no prologue, no metadata, own ids, the page's fonts, width left to the page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(xlink:)?href="#', f'href="#{prefix}-', body)
    body = re.sub(r"url\(#", f"url(#{prefix}-", body)
    body = body.replace("'DejaVu Sans'", _FONT.replace('"', "'"))
    body = re.sub(r"\s+", " ", body).replace("> <", "><")
    body = re.sub(r"<[^>]*>", _shorter, body)
    box = re.search(r'viewBox="([^"]+)"', body)
    view = box.group(1) if box else "0 0 1 1"
    return f'<svg viewBox="{view}" xmlns="http://www.w3.org/2000/svg">' + body[body.index(">") + 1 :].strip()


def _shorter(tag: re.Match[str]) -> str:
    """Return a tag with coordinates to a hundredth of a pixel and paths without idle spaces.

    Text between tags is left alone.
    """
    rounded = re.sub(r"(\.\d\d)\d+", r"\1", tag.group(0))
    return re.sub(
        r' d="([^"]*)"', lambda path: f' d="{re.sub(r" ?([A-Za-z]) ?", r"\1", path[1]).strip()}"', rounded
    )


def axis(axes: Axes, *, label: str = "", left: bool = False) -> None:
    """Give axes the house look: light vertical grid, no frame, the unit beneath."""
    axes.grid(axis="y" if left else "x", color=GRID, linewidth=1, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL, pad=6)
    if label and left:
        axes.set_ylabel(label, fontsize=SMALL)
    elif label:
        axes.set_xlabel(label, fontsize=SMALL, labelpad=7)


def row_head(axes: Axes, at: float, name: str, value: str, size: Size) -> None:
    """Write a row's name at the left, in lines where long, and its value at the right, above its mark."""
    from matplotlib.transforms import blended_transform_factory

    place = blended_transform_factory(axes.transAxes, axes.transData)
    paper = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 2}
    both: dict[str, Any] = {"transform": place, "fontsize": SMALL if size.narrow else TEXT, "va": "center"}
    shown = "\n".join(head_lines(name, value, size))
    axes.text(0, at, shown, fontweight="bold", bbox=paper, zorder=6, linespacing=1.15, **both)
    axes.text(1, at, value, ha="right", bbox=paper, zorder=6, **both)


def head_lines(name: str, value: str, size: Size) -> list[str]:
    """Return a row's name in the lines that fit beside its value; one without end is cut."""
    return wrapped(name, max(12, size.letters - len(value)), most=_HEAD_LINES)


def head_room(heads: Iterable[tuple[str, str]], size: Size) -> float:
    """Return the pixels that each row needs beyond one line, for rows of (name, value)."""
    return _HEAD_LINE * (max((len(head_lines(*head, size)) for head in heads), default=1) - 1)


def wrapped(text: object, letters: int, *, most: int = 2) -> list[str]:
    """Return a text in at most `most` lines of about `letters`, the last cut short where it does not fit."""
    told = safe.clean(text).replace(">=", "≥").replace("<=", "≤")
    lines = textwrap.wrap(told, letters)
    if len(lines) > most:
        lines[most - 1] = safe.shorten(" ".join(lines[most - 1 :]), letters)
    return lines[:most] or [""]


def above(axes: Axes, text: str, size: Size, *, gap: float = 12) -> float:
    """Write what the vertical axis shows above it, from the canvas's left edge; return its height."""
    lines = wrapped(text, size.letters + 3, most=3)
    edge = axes.get_position().x0 * size.width
    axes.annotate(
        "\n".join(lines), xy=(0, 1), xycoords="axes fraction", xytext=(8 - edge, gap),
        textcoords="offset points", va="bottom", fontsize=SMALL, color=MUTED,
    )  # fmt: skip
    return gap + _HEAD_LINE * len(lines)


def sides(axes: Axes, both: tuple[str, str]) -> None:
    """Say beneath the axis what lies to its left and right, in two lines where one does not hold both."""
    across = axes.get_window_extent().width / axes.figure.dpi * 72
    most = int(across / 8.8) - 2
    left, right = (safe.shorten(text, most) for text in both)
    down = 18 if len(left) + len(right) + 2 > most else 0
    for text, ha, x, drop in ((f"← {left}", "left", 0.0, 0), (f"{right} →", "right", 1.0, down)):
        axes.annotate(
            text, xy=(x, 0), xytext=(0, -58 - drop), textcoords="offset points", xycoords="axes fraction",
            ha=ha, va="center", fontsize=SMALL, weight="bold", label=layout.BELOW,
        )  # fmt: skip


def bar(axes: Axes, lower: float, upper: float, at: float, hue: str, *, width: float = 4) -> None:
    """Draw an interval, with a white edge that parts it from the dots behind."""
    for colour, thick, order in (("#ffffff", width + 4, 3), (hue, width, 4)):
        axes.plot(
            [lower, upper], [at, at], color=colour, linewidth=thick, zorder=order, solid_capstyle="round"
        )


def dot(axes: Axes, x: float, y: float, mark: Mark, *, scale: float = 1.0) -> None:
    """Draw the mark of a class."""
    axes.plot(
        [x],
        [y],
        marker=mark.shape,
        markersize=(9.5 if mark.shape == "D" else 11) * scale,
        markerfacecolor=mark.face,
        markeredgecolor=mark.hue,
        markeredgewidth=2.2,
        linestyle="none",
        zorder=5,
    )


def reference_line(axes: Axes, at: float, name: str, *, side: str | None = None) -> None:
    """Draw the named reference line, its name at the top."""
    axes.axvline(at, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    low, high = axes.get_xlim()
    where = (at - low) / (high - low)
    ha = side or ("left" if where < 0.25 else "right" if where > 0.75 else "center")
    axes.text(
        at, 1.0, name, transform=axes.get_xaxis_transform(), fontsize=SMALL, ha=ha, va="bottom", color=INK
    )


def thousands(axis: Any) -> None:
    """Write whole numbers with commas along an axis, and a true minus sign."""
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "−"))


def margins(axes: Axes, values: Iterable[float], *, share: float = 0.04) -> None:
    """Set the horizontal limits to hold `values` with a little room."""
    held = [float(value) for value in values]
    low, high = min(held), max(held)
    room = share * (high - low) or abs(low) * share or 1.0
    axes.set_xlim(low - room, high + room)


def legend(canvas: Canvas, groups: Iterable[object], *, top: float, left: float = 0.012) -> None:
    """Name the marks in one line above the picture, each family once."""
    height, width = canvas.get_figheight() * 72, canvas.get_figwidth() * 72
    axes = canvas.add_axes((left, 1 - top / height, 1 - left, 22 / height))
    axes.set(xlim=(0, width * (1 - left)), ylim=(0, 1), xticks=[], yticks=[])
    at = 8.0
    names = {str(group).lower() for group in groups}
    present = {mark_of(name).family for name in names}
    # elsewhere than in England a general hospital is no hospital of the NHS
    abroad = not any(word in name for name in names for word in ("nhs", "acute", "teaching"))
    for mark in (mark for mark in (SPECIALIST, GENERAL, INDEPENDENT, OTHER) if mark.family in present):
        dot(axes, at, 0.5, mark, scale=0.8)
        label = mark.label.removeprefix("NHS ") if abroad else mark.label
        axes.text(at + 11, 0.5, label, fontsize=SMALL, va="center", color=MUTED)
        at += 32 + 7.6 * len(label)
