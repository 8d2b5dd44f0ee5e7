"""One headless Chromium for all browser tests; where there is none they are skipped, but never in CI."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pages
import pytest

#: What the same browser is called on one system or another.
NAMES = ("chromium", "chromium-browser", "google-chrome")
ABSENT = "no Chromium with chromedriver on this machine (Debian: apt-get install chromium chromium-driver)"
NO_AXE = "axe-selenium-python, which brings axe-core, is not installed"


def _missing(reason):
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    chromedriver = shutil.which("chromedriver")
    if not (chromium and chromedriver):
        _missing(ABSENT)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, as the package brings it."""
    found = find_spec("axe_selenium_python")
    if found is None:
        _missing(NO_AXE)
    path = Path(found.submodule_search_locations[0]) / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    return pages.write(tmp_path_factory.mktemp("site"))
