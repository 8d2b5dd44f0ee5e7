"""One list of dependencies, told three ways: pyproject.toml, environment.yml for conda, requirements.lock."""

import re
import tomllib

import pytest
import yaml
from house_files import ROOT

#: conda-forge's name where it differs from the one in pyproject.toml.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<bounds>.*)")
PIN = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;\\]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def parsed(requirements):
    """Name to bounds, names as registries normalise them."""
    pairs = (REQUIREMENT.fullmatch(text.strip()) for text in requirements)
    return {re.sub(r"[._-]+", "-", pair["name"]).lower(): pair["bounds"] for pair in pairs}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def declared(project):
    return parsed(project["project"]["dependencies"] + project["dependency-groups"]["dev"])


@pytest.fixture(scope="module")
def conda():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lock():
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def entries(lock):
    """Name, version and number of hashes of every entry of a lock file."""
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        pin = PIN.match(entry)
        yield (pin["name"], pin["version"], len(HASH.findall(entry))) if pin else (entry, "", 0)


def addresses(lock):
    """Lines of a lock file that say where from: options, direct references, any URL."""
    said = [line for line in lock.splitlines() if not line.lstrip().startswith(("--hash=", "#"))]
    return [line for line in said if re.search(r"^\s*-| @ |://", line)] + re.findall(r"\S+://\S+", lock)


def test_conda_has_the_same_packages_with_the_same_bounds(declared, conda):
    wanted = {CONDA_NAMES.get(name, name): bounds for name, bounds in declared.items()}
    listed = parsed(line for line in conda["dependencies"] if isinstance(line, str))
    assert listed.pop("pip") == ""
    listed.pop("python")
    assert listed == wanted


def test_conda_has_the_same_python_and_the_project_itself(project, conda):
    listed = parsed(line for line in conda["dependencies"] if isinstance(line, str))
    assert listed["python"] == project["project"]["requires-python"]
    assert conda["dependencies"][-1] == {"pip": ["--editable ."]}
    assert conda["name"] == project["project"]["name"]


def test_a_cap_says_why(project):
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    capped = [text for text in project["project"]["dependencies"] if "<" in text]
    unsaid = [text for text in capped if not any(f'"{text}"' in line and "#" in line for line in lines)]
    # pymc moves together with arviz, whose line says it
    assert [text for text in unsaid if not text.startswith("pymc")] == []


def test_the_chosen_python_is_allowed(project):
    chosen = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    floor = project["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, chosen.split("."))) >= tuple(map(int, floor.split(".")))


def test_every_dependency_is_in_the_lock_within_its_bounds(declared, lock):
    from packaging.specifiers import SpecifierSet

    locked = {}
    for name, version, _ in entries(lock):
        locked.setdefault(name, set()).add(version)
    assert set(declared) - set(locked) == set()
    for name, bounds in declared.items():
        for version in locked[name]:
            assert version in SpecifierSet(bounds), f"{name} {version} is outside {bounds}; run `make lock`"


def test_every_entry_of_the_lock_is_pinned_and_hashed(lock):
    found = list(entries(lock))
    assert len(found) > 100
    assert [name for name, version, hashes in found if not (version and hashes)] == []


def test_the_lock_holds_no_address(lock):
    assert addresses(lock) == []


def test_a_bare_entry_and_an_address_would_be_seen():
    sealed = "a==1 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via b\n"
    assert list(entries(sealed)) == [("a", "1", 1)]
    assert addresses(sealed) == []
    assert list(entries("a==1\nb>=2")) == [("a", "1", 0), ("b>=2", "", 0)]
    where = "https" + "://files.example.org/b.whl"
    assert addresses(f"--index-url {where}\n{sealed}b @ {where}\n")


def test_the_bounds_are_read_as_written():
    assert parsed(["pandas>=2.2,<3", "types-PyYAML>=6.0"]) == {"pandas": ">=2.2,<3", "types-pyyaml": ">=6.0"}
