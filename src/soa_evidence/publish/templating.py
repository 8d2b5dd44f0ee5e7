"""The templates and the stylesheet of the pages, from the installed package."""

from __future__ import annotations

import base64
import hashlib
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
def _file(name: str) -> str:
    return resources.files("soa_evidence.publish").joinpath(name).read_text(encoding="utf-8")


@cache
def _script_hash() -> str:
    """Return the hash by which the page's policy lets this one script run, and no other."""
    return base64.b64encode(hashlib.sha256(_file("enhance.js").encode()).digest()).decode()


def fill(template: str, **values: Any) -> str:
    """Return the page of `template`; every value is escaped unless it is `markupsafe.Markup`."""
    from markupsafe import Markup

    held = {"style": Markup(_file("style.css")), "script": Markup(_file("enhance.js"))}
    return _environment().get_template(template).render(**held, script_hash=_script_hash(), **values)


def date_in_words(moment: object) -> str:
    """Return "22 November 2026" for an ISO date or time, and '' for anything else."""
    try:
        when = datetime.fromisoformat(str(moment))
    except ValueError:
        return ""
    return f"{when.day} {when:%B} {when.year}"
