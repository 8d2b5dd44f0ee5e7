"""What commissioner-joint-replacement says of itself: sources, caveats and the meaning of every field."""

from __future__ import annotations

from typing import Any

from soa_evidence.evidence.commissioners_areas import AREAS, REGIONS
from soa_evidence.evidence.write import count, flag, number, resource, text

__all__ = ["AGES", "NAME", "SEXES", "YEARS", "descriptor"]

NAME = "commissioner-joint-replacement"
YEARS = ("2016/17", "2017/18", "2018/19")
SEXES = ("female", "male")
JOINTS = ("hip", "knee")
AGES = ("under 50", "50 to 59", "60 to 69", "70 and over")
_PROMS = "https://digital.nhs.uk/data-and-information/publications/statistical/patient-reported-outcome-measures-proms"
_AREAS = "https://github.com/ebmdatalab/openprescribing/blob/6e98b609f3366c969e669fc320aa03288bf71e81/openprescribing/data/org_codes/eccg.csv"
_HELD_BY = "https://github.com/nhsengland/NHSE-Methods-10-Similar-CCGs"


def descriptor(packs: list[dict[str, str]], others: list[dict[str, str]]) -> dict[str, Any]:
    """Return the descriptor; `others` are the files of population, mergers, names, deprivation and peers."""
    code = text(
        "commissioner", "Commissioner", "Clinical commissioning group, April 2019", pattern="[0-9A-Z]{3}"
    )
    year = text("year", "Financial year", "April to March", levels=YEARS)
    joint = text("joint", "Joint", "Joint replaced, first replacements only", levels=JOINTS)
    sex = text("sex", "Sex", "As recorded", levels=SEXES)
    age = text("age_band", "Age", "At the operation, or on 1 October", levels=AGES)
    whose = [
        {"fields": ["commissioner"], "reference": {"resource": "commissioners", "fields": ["commissioner"]}}
    ]
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "Registered people and completed questionnaires on hip and knee replacement, by "
                 "commissioner",
        "description": (
            "Clinical commissioning groups of England as of April 2019, 2016/17 to 2018/19: people "
            "registered with "
            "their general practices by age and sex, completed questionnaires on a first hip or knee "
            "replacement, "
            "deprivation, area of England and the ten most similar commissioners."
        ),
        "version": "1.1.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Counts are questionnaires filled in before and after the operation and linked to a hospital "
            "record, "
            "about half of all operations; how large a share is not published by commissioner, only by "
            "hospital.",
            "A commissioner's count may be low because its hospitals hand out or collect few questionnaires.",
            "Private operations are in neither.",
            "People are interpolated between two lists (2016 and 2020), and bands of age are split in half.",
            "For six commissioners the number of people is doubtful; they are flagged.",
            "Deprivation and peers are of April 2021, and missing for commissioners merged by then.",
            "Areas are those of NHS England's local teams of 2015 to 2017, which follow administration, not "
            "counties.",
            "Patients whose age or sex was suppressed count in a commissioner's total, not in the table of "
            "ages.",
        ],
        "licenses": [
            {
                "name": "OGL-UK-3.0",
                "title": "Open Government Licence v3.0",
                "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
                "soa:attribution": (
                    "Copyright © NHS Digital. Re-used under the Open Government Licence. Contains public "
                    "sector "
                    "information licensed under the Open Government Licence v3.0."
                ),
            }
        ],
        "sources": [
            {
                "title": "Patient Reported Outcome Measures in England, CSV data packs 2016/17 to 2018/19, "
                         "by commissioner",
                "soa:publisher": "NHS Digital",
                "path": _PROMS,
                "soa:files": packs,
            },
            {
                "title": "People registered with general practices, January 2016 and March 2020, "
                         "interpolated; mergers",
                "soa:publisher": "NHS Business Services Authority; NHS Digital",
                "path": "https://digital.nhs.uk/data-and-information/publications/statistical/patients-registered-at-a-gp-practice",
                "soa:files": others[:2],
            },
            {
                "title": "Clinical commissioning groups (April 2019), names and codes",
                "soa:publisher": "Office for National Statistics",
                "path": "https://geoportal.statistics.gov.uk",
                "soa:files": others[2:3],
            },
            {
                "title": "Commissioners by area of NHS England, list of about 2016, areas typed from it",
                "soa:publisher": "NHS Digital, Organisation Data Service",
                "path": _AREAS,
            },
            {
                "title": "Ten similar commissioners, April 2021: deprivation as published, peers by the "
                         "published method",
                "soa:publisher": "NHS England",
                "path": _HELD_BY,
                "soa:files": others[3:],
            },
        ],
        "resources": [
            resource("counts", "Completed questionnaires",
                     fields=[code, year, joint,
                             count("completed", "Completed", "Questionnaires before and after, linked"),
                             count("age_known", "Age and sex known", "Of these, with age and "
                                                                     "sex", at_most="completed")],
                     key=["commissioner", "year", "joint"], format="csv", foreign=whose),
            resource("ages", "Completed questionnaires by age, England",
                     fields=[year, joint, sex, age, count("completed", "Completed", "Those with age and "
                                                                                    "sex")],
                     key=["year", "joint", "sex", "age_band"], format="csv"),
            resource("population", "Registered people",
                     fields=[code, year, sex, age, number("people", "People", "Interpolated and split by us",
                                                          unit="people", minimum=0)],
                     key=["commissioner", "year", "sex", "age_band"], foreign=whose),
            resource("commissioners", "Commissioners",
                     fields=[{**code, "constraints": {**code["constraints"], "unique": True}},
                             text("name", "Name", "Without 'NHS' and 'CCG'"),
                             text("area", "Area", "Local team of NHS England, 2015 to 2017", levels=AREAS),
                             text("region", "Region", "Region of NHS England, 2015 to 2017", levels=REGIONS),
                             text("commissioner_2021", "Commissioner of 2021", "Whose peers apply; missing "
                                                                               "where the "
                                  "commissioner was merged and the new one's peers would not "
                                  "fit", required=False),
                             number("deprivation", "Deprivation", "Index of multiple deprivation 2019, "
                                                                  "averaged over "
                                    "registered people", unit="score", required=False, minimum=0),
                             flag("population_doubtful", "People doubtful", "Boundary or list changed")],
                     key=["commissioner"], format="csv"),
            resource("peers", "Similar commissioners",
                     fields=[text("commissioner_2021", "Commissioner of 2021", "April 2021"),
                             count("rank", "Rank", "1 is the most similar", unit="rank", minimum=1),
                             text("peer_2021", "Peer", "April 2021")],
                     key=["commissioner_2021", "rank"], format="csv"),
        ],
    }  # fmt: skip
