"""The last look at a drawn figure: no text leaves the canvas, and the canvas is as tall as what it holds."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

__all__ = ["BELOW", "settle"]

#: Label (never shown) of texts that stand beneath an axis's label, and go down with it.
BELOW = "below-the-label"
_EDGE = 3.0  # pixels kept free at the left and right
_ROOM = 8.0  # and above and below
_LINE = 16.5


def settle(canvas: Canvas, width: float) -> Bbox:
    """Wrap what is too wide, push back what sticks out, and return the box, in inches, that holds all.

    Parameters
    ----------
    canvas
        A drawn figure of 72 dots an inch.
    width
        Width of the canvas in pixels; kept, so that text has one size in all figures.
    """
    from matplotlib.transforms import Bbox

    canvas.draw_without_rendering()
    for axes in canvas.axes:
        _wrap_label(axes, width)
    canvas.draw_without_rendering()
    for text in _texts(canvas):
        _push_back(text, width)
    canvas.draw_without_rendering()
    held = canvas.get_tightbbox()
    return Bbox([[0, held.y0 - _ROOM / 72], [width / 72, held.y1 + _ROOM / 72]])


def _wrap_label(axes: Axes, width: float) -> None:
    """Break the label of a horizontal axis that is wider than the canvas; what is beneath goes down."""
    label = axes.xaxis.label
    needed, most = label.get_window_extent().width, width - 2 * _EDGE
    if not label.get_text() or needed <= most:
        return
    text = " ".join(label.get_text().split())
    lines = textwrap.wrap(text, max(10, math.ceil(len(text) / math.ceil(needed / most)) + 4))
    more = len(lines) - 1 - label.get_text().count("\n")
    label.set_text("\n".join(lines))
    for text_below in axes.texts:
        if text_below.get_label() == BELOW:
            _move(text_below, 0.0, -_LINE * more)


def _texts(canvas: Canvas) -> Iterator[Text]:
    yield from canvas.texts
    for axes in canvas.axes:
        yield from axes.texts
        if axes.axison:
            yield from (axes.xaxis.label, axes.yaxis.label)
            yield from (tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_major_ticks())


def _push_back(text: Text, width: float) -> None:
    if not (text.get_visible() and text.get_text().strip()):
        return
    box = text.get_window_extent()
    if not (math.isfinite(box.x0) and box.x1 > 0 and box.x0 < width):
        return  # a tick beyond the limits of its axis is not drawn
    if box.x1 > width - _EDGE and box.width < width:
        _move(text, width - _EDGE - box.x1, 0.0)
    elif box.x0 < _EDGE and box.width < width:
        _move(text, _EDGE - box.x0, 0.0)


def _move(text: Any, right: float, up: float) -> None:
    """Shift a text by pixels, whatever places it."""
    from matplotlib.text import Annotation
    from matplotlib.transforms import ScaledTranslation

    if isinstance(text, Annotation) and text.anncoords == "offset points":
        x, y = text.xyann
        text.xyann = (x + right, y + up)
    elif text.figure is not None:
        shift = ScaledTranslation(right / 72, up / 72, text.figure.dpi_scale_trans)
        text.set_transform(text.get_transform() + shift)
