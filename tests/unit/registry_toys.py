"""A registry extract of a dozen rows, every value known, to be spoilt one way at a time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from soa_evidence.evidence.registry import COLUMNS

HEADER = [column.name for column in COLUMNS]

#: A hip and a knee of one person, a revised hip, one revised twice, one who died; two units, two classes.
GOOD: tuple[dict[str, Any], ...] = tuple(
    dict(zip(HEADER, line.split(","), strict=True))
    for line in (
        "p1,left,hip,total,A,general,s1,2015-03-02,70,female,2,"
        "28.5,3,cemented,metal on polyethylene,,,,,2024-12-31",
        "p1,left,knee,total,A,general,s1,2017-05-09,72,female,2,28.5,3,cemented,fixed,,,,,2024-12-31",
        "p2,right,hip,total,A,general,s2,2016-01-04,64,male,1,"
        "24.0,5,cementless,ceramic on ceramic,2018-01-04,infection,,,2024-12-31",
        "p3,left,hip,resurfacing,B,specialist,s3,2014-07-01,55,male,1,"
        "27.1,4,hybrid,metal on metal,2015-07-01,pain;loosening,2017-07-01,,2024-12-31",
        "p4,right,hip,total,B,specialist,s3,2014-02-03,81,female,3,"
        "31.2,1,cemented,metal on polyethylene,,,,2020-02-03,2020-02-03",
        "p5,left,knee,unicompartmental,B,specialist,s4,2018-10-10,66,not recorded,,"
        ",,cemented,mobile,,,,,2024-12-31",
        "p6,right,hip,total,A,general,s2,2019-06-05,77,male,3,"
        ",2,hybrid,ceramic on polyethylene,2019-06-05,fracture,,2019-06-20,2019-06-20",
        "p7,left,hip,total,A,general,s1,2020-06-05,69,female,2,"
        "35.9,2,reverse hybrid,metal on polyethylene,,,,,2024-12-31",
    )
)


def rows(**changed: Any) -> list[dict[str, Any]]:
    """The good rows; ``rows(at=2, sex="x")`` changes row 2 (from 0), ``rows(sex="x")`` the first."""
    at = changed.pop("at", 0)
    made = [dict(row) for row in GOOD]
    made[at] |= changed
    return made


def write(path: Path, content: list[dict[str, Any]], header: list[str] | None = None) -> Path:
    """Write rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header or HEADER, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(content)
    return path
