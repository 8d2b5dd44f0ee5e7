"""The page a researcher reads and the contract the code keeps are one."""

from pathlib import Path

from soa_evidence.evidence.registry import COLUMNS, contract
from soa_evidence.evidence.registry.findings import REMEDIES
from soa_evidence.evidence.registry.rows import CODED, DATES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "registry-extract.md").read_text(encoding="utf-8")


def test_the_page_shows_the_contract():
    shown = PAGE.split("<!-- columns: begin -->\n")[1].split("<!-- columns: end -->")[0]
    assert shown == contract.page(), "docs/registry-extract.md: put contract.page() between the marks"


def test_the_page_names_every_kind_of_finding():
    for kind in REMEDIES:
        assert f"| {kind} |" in PAGE


def test_every_column_says_what_it_is():
    for column in COLUMNS:
        assert column.meaning[0].isupper()
        assert bool(column.codes) == (column.kind in ("code", "codes"))
        assert (column.kind == "number") == bool(column.unit) == (column.least is not None)
    assert [c.name for c in COLUMNS if c.kind == "date"] == list(DATES)
    assert [c.name for c in COLUMNS if c.kind == "code"] == list(CODED)


def test_reasons_fall_into_one_group_each():
    grouped = [code for codes in contract.REASON_GROUPS.values() for code in codes]
    assert sorted(grouped) == sorted(contract.BY_NAME["revision_reasons"].codes)
