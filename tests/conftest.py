"""What holds for every test: how laws are tried, and that builds of one process share their workers."""

import threading
from collections import Counter

import pytest
from hypothesis import settings

# The same examples at every run, so that a red suite means a changed program and not an unlucky draw; fresh
# ones with `pytest --hypothesis-profile=search tests/properties`. No deadline: a busy machine is no fault.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=50)
settings.load_profile("house")


def pytest_collection_modifyitems(items):
    """Put the files with the slowest tests first, so that no worker is left alone with one at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


class Lent:
    """Stands for the workers of one build; they outlive it and serve the next."""

    def __init__(self, pool):
        self.submit = pool.submit

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Leave the processes alone."""

    def shutdown(self, **_):
        """Leave the processes alone."""


@pytest.fixture(scope="session")
def workers():
    """Real worker processes, started once."""
    from soa_evidence.publish import tasks

    with tasks._Workers(2, threading.Event()) as pool:
        yield pool


@pytest.fixture(scope="module")
def shared_workers(workers):
    """Let the builds of a module share worker processes: to start them costs more than most builds.

    That a build starts and stops its own is tried where one is run as a command and interrupted.
    """
    from soa_evidence.publish import tasks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_Workers", lambda *_: Lent(workers))
        yield
