"""The templates and the stylesheet of the pages, from the installed package."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["date_in_words", "fill"]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("soa_evidence.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    return resources.files("soa_evidence.publish").joinpath("style.css").read_text(encoding="utf-8")


def fill(template: str, **values: Any) -> str:
    """Return the page of `template`; every value is escaped unless it is `markupsafe.Markup`."""
    from markupsafe import Markup

    return _environment().get_template(template).render(style=Markup(_style()), **values)


def date_in_words(moment: object) -> str:
    """Return "22 November 2026" for an ISO date or time, and '' for anything else."""
    try:
        when = datetime.fromisoformat(str(moment))
    except ValueError:
        return ""
    return f"{when.day} {when:%B} {when.year}"
