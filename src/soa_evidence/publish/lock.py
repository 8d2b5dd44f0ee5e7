"""One build at a time in one project, and no cleaning meanwhile: two would write the same pages and memory.

The system holds the lock for as long as the process lives, so a build that was killed leaves none behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime

from soa_evidence.errors import BuildError
from soa_evidence.publish.project import Project

__all__ = ["BusyError", "held"]

NAME = "lock"


class BusyError(BuildError):
    """Another build is at work in this project."""


@contextlib.contextmanager
def held(project: Project) -> Iterator[None]:
    """Hold the project's lock while the block runs.

    Raises
    ------
    BusyError
        At once, when another process holds it; the message names that process and since when.
    """
    project.state.mkdir(exist_ok=True)
    with (project.state / NAME).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "a process that did not say which"
            raise BusyError(
                f"Another build is at work in this project ({holder}); two at once would write the same "
                "pages. Wait until it has finished, or stop it, and run the command again."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {datetime.now():%H:%M:%S}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
