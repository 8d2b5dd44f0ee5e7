"""Families: one entry, many reports; samples belong to the edition, the others are built when asked for."""

import pytest
from publish_toys import entry, make, write_package

from soa_evidence.__main__ import main
from soa_evidence.errors import CatalogueError
from soa_evidence.publish import build, catalogue, publication

FAMILY = (
    entry("profiles", values="{seed: 3}")
    .replace("Report profiles", '"{name}"')
    .replace("Is it?", "How does {name} ({value}) fare?")
    + "  family: {parameter: verdict, members: syn-units.code, samples: [RB]}\n"
)
UNITS = "code,name\nRA,Alder\nRB,=Birch()\nRA,Alder\nRC,Cedar"


def project(root, family=FAMILY, units=UNITS):
    made = make(root, entry("one") + family)
    write_package(made.evidence / "syn-units")
    (made.evidence / "syn-units" / "toy.csv").write_text(units + "\n")
    return made


def test_a_member_is_a_report_like_any_other(tmp_path):
    listed = catalogue.load(project(tmp_path))
    assert [r.id for r in listed.families["profiles"]] == ["profiles-ra", "profiles-rb", "profiles-rc"]
    (birch,) = listed.select(["profiles-rb"])
    assert (birch.title, birch.question) == ("=Birch()", "How does =Birch() (RB) fare?")
    assert (birch.values["verdict"], birch.values["seed"]) == ("RB", 3)
    assert (birch.family, birch.sample) == ("profiles", True)


def test_the_edition_holds_the_samples_and_a_family_all(tmp_path):
    made = project(tmp_path)
    assert [job.report.id for job in build.plan(made)] == ["one", "profiles-rb"]
    asked = build.plan(made, families=["profiles"])
    assert sorted(job.report.id for job in asked) == ["profiles-ra", "profiles-rb", "profiles-rc"]
    assert [job.report.id for job in build.plan(made, ["one"], families=["profiles"])].count("one") == 1
    assert len({job.fingerprint.execution for job in asked}) == 3


def test_members_may_be_listed(tmp_path):
    text = FAMILY.replace("{name}", "{value}").replace("syn-units.code", "[RB, RZ]")
    listed = catalogue.load(project(tmp_path, text))
    assert [r.title for r in listed.families["profiles"]] == ["RB", "RZ"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{parameter: verdict, ", "{", "family is .* expected a mapping with parameter, members, samples"),
        ("samples:", "sample:", "family is .* expected a mapping with"),
        ("[RB]", "[RX]", "the sample 'RX' is no member"),
        ("syn-units.code", "syn-unit.code", r"no evidence package 'syn-unit'. Did you mean 'syn-units'\?"),
        ("syn-units.code", "syn-units.coed", r"'syn-units' has no column 'coed'. Did you mean 'code'\?"),
        ("syn-units.code", "units", "members is 'units'; expected package.column or a list"),
        ("syn-units.code", "[R-A, r.a]", "two members would be called 'profiles-r-a'"),
        ("{name} (", "{nmae} (", r"question uses \{nmae\}, which no member has. Did you mean 'name'\?"),
        (
            "parameter: verdict",
            "parameter: verdcit",
            r"report 'profiles-ra': there is no parameter 'verdcit'",
        ),
        ("syn-units.code", "[R-A, §]", "the value '§' gives no id; it needs a letter"),
        ("  notebook: toy\n", "", "report 'profiles': 'notebook' is missing"),
    ],
)
def test_a_wrong_family_is_refused(tmp_path, old, new, message):
    assert old in FAMILY
    # the sample is left out where another fault is looked for
    text = FAMILY.replace(old, new, 1)
    if "sample" not in message:
        text = text.replace(", samples: [RB]", "")
    with pytest.raises(CatalogueError, match=message):
        catalogue.load(project(tmp_path, text))


def test_a_family_is_not_built_by_its_name_alone(tmp_path, monkeypatch, capsys):
    made = project(tmp_path)
    with pytest.raises(CatalogueError, match=r"'profiles' is a family of 3 reports\. Build them"):
        build.plan(made, ["profiles"])
    monkeypatch.chdir(made.root)
    assert main(["build", "--family", "profile"]) == 4
    told = capsys.readouterr().err
    assert "There is no family 'profile'. Did you mean 'profiles'? Families: profiles." in told
    assert main(["list"]) == 0
    assert "profiles  (a family of 3 reports, 1 of them in the list above)" in capsys.readouterr().out


def test_git_keeps_the_samples_and_leaves_the_other_members(tmp_path):
    made = project(tmp_path)
    jobs = {job.report.id: job for job in build.plan(made, families=["profiles"])}
    for id, ignored in (("profiles-ra", True), ("profiles-rb", False)):
        made.report(id).mkdir(parents=True)
        publication.keep_apart(jobs[id])
        assert (made.report(id) / ".gitignore").is_file() is ignored
