import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import classes

INSIDE = "specialist hospital inside"
UNITS = pd.DataFrame(
    [
        ("A", "specialist orthopaedic", "wholly specialist"),
        ("B", "NHS general, large", "none"),
        ("C", "NHS general, medium", INSIDE),
        ("D", "NHS general, small", "none"),
        ("E", "NHS general, teaching", INSIDE),
        ("F", "NHS general, multi-service", None),
        ("G", "independent sector", INSIDE),
    ],
    columns=["provider_code", "unit_class", "specialist_orthopaedic_site"],
)
TEACHING = "NHS general, teaching or multi-service"
BOTH = "specialist orthopaedic, or with one inside"


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (
            "by_size",
            ["specialist orthopaedic", "NHS general, large", "NHS general, medium", "NHS general, small",
             TEACHING, TEACHING, "independent sector"],
        ),
        ("broad", ["specialist orthopaedic", *["NHS general"] * 5, "independent sector"]),
        (
            "with_sites",
            [BOTH, "NHS general, large", BOTH, "NHS general, small", BOTH, TEACHING, "independent sector"],
        ),
    ],
)  # fmt: skip
def test_every_unit_gets_its_class(definition, expected):
    found = classes.assign(UNITS, definition)
    assert found.frame["provider_code"].tolist() == list("ABCDEFG")
    assert found.frame["comparison_class"].tolist() == expected
    assert found.specialist in expected
    assert set(found.reference) == {name for name in expected if name.startswith("NHS general")}
    assert found.reference_label == "NHS general"
    assert found.meaning == classes.DEFINITIONS[definition].meaning


def test_the_broad_class_joins_nhs_general_under_every_definition():
    for definition in classes.DEFINITIONS:
        found = classes.assign(UNITS, definition)
        assert set(found.frame["broad_class"]) == {found.specialist, "NHS general", "independent sector"}


def test_order_index_and_extra_columns_do_not_matter_and_the_frame_is_left_as_it_was():
    shuffled = UNITS.sample(frac=1, random_state=1).assign(extra=1).set_index(pd.Index([0] * len(UNITS)))
    before = shuffled.copy()
    found = classes.assign(shuffled, "with_sites").frame.set_index("provider_code")["comparison_class"]
    plain = classes.assign(UNITS, "with_sites").frame.set_index("provider_code")["comparison_class"]
    assert found.sort_index().tolist() == plain.tolist()
    pd.testing.assert_frame_equal(shuffled, before)


def test_without_nhs_general_units_the_reference_is_empty():
    assert classes.assign(UNITS.iloc[[0, 6]], "by_size").reference == ()


def test_other_names_of_columns_may_be_given():
    renamed = UNITS.rename(columns={"provider_code": "code", "unit_class": "kind"})
    found = classes.assign(renamed, "broad", unit="code", unit_class="kind")
    assert list(found.frame.columns) == ["code", "comparison_class", "broad_class"]


@pytest.mark.parametrize(
    ("units", "definition", "message"),
    [
        (
            UNITS,
            "by_sise",
            r"no class definition 'by_sise'. Did you mean 'by_size'\? Expected one of: by_size",
        ),
        (UNITS.drop(columns="unit_class"), "broad", r"The table of units has no column 'unit_class'"),
        (
            UNITS.rename(columns={"provider_code": "provider_cod"}),
            "broad",
            r"no column 'provider_code'. Did you mean 'provider_cod'\?",
        ),
        (pd.concat([UNITS, UNITS.iloc[[2]]]), "broad", "Unit 'C' is listed twice; expected one row a unit"),
        (
            UNITS.replace("NHS general, small", "NHS general, smal"),
            "broad",
            r"Unit 'D' has class 'NHS general, smal'. Did you mean 'NHS general, small'\? Expected one of:",
        ),
        (UNITS.replace("NHS general, small", None), "broad", "Unit 'D' has class None. Expected one of:"),
    ],
)
def test_what_has_no_place_is_refused(units, definition, message):
    with pytest.raises(InputError, match=message):
        classes.assign(units, definition)


def test_a_page_tells_the_specialist_class_first_then_the_reference_then_the_others():
    found = classes.assign(UNITS, "by_size")
    named = ["independent sector", "NHS general", "specialist orthopaedic", "NHS general, large"]
    rest = ["NHS general, large", "independent sector"]
    assert found.ordered(named) == ["specialist orthopaedic", "NHS general", *rest]
    assert found.ordered(named, reference=False) == ["specialist orthopaedic", *rest]
