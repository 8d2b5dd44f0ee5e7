"""Where things lie: the folders of a project, found from any place inside it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from soa_evidence.errors import CatalogueError

__all__ = ["Project"]

#: What `clean` removes from a report's folder; numbers.json and run.json are the committed edition.
BUILT = ("index.html", "briefing.html", "briefing.pdf", "figures", "tables", "derived")


@dataclass(frozen=True)
class Project:
    """The paths of one project; `root` is the folder that holds ``analyses/catalogue.yml``."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Walk up from `start` (default: the current folder) to the project's root.

        Raises
        ------
        CatalogueError
            When no folder on the way up holds ``analyses/catalogue.yml``.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "analyses" / "catalogue.yml").is_file():
                return cls(folder)
        raise CatalogueError(
            f"No analyses/catalogue.yml in {here} or any folder above it. "
            "Run the command inside the project's folder."
        )

    @property
    def analyses(self) -> Path:
        """Folder of the notebooks."""
        return self.root / "analyses"

    @property
    def catalogue(self) -> Path:
        """The list of reports."""
        return self.analyses / "catalogue.yml"

    @property
    def evidence(self) -> Path:
        """Folder of the evidence packages."""
        return self.root / "evidence"

    @property
    def reports(self) -> Path:
        """Folder the reports are published into."""
        return self.root / "reports"

    @property
    def state(self) -> Path:
        """Folder of executed notebooks, logs and the build's memory; never committed."""
        return self.root / ".build"

    @property
    def lock(self) -> Path:
        """The pinned environment."""
        return self.root / "requirements.lock"

    @property
    def glossary(self) -> Path:
        """The terms explained on the pages."""
        return self.root / "docs" / "glossary.md"

    @property
    def editions(self) -> Path:
        """Folder of the sealed editions, which later ones are compared with."""
        return self.root / "editions"

    @property
    def library(self) -> Path:
        """Folder of the library's source, wherever it is installed."""
        return Path(__file__).resolve().parents[1]

    def notebook(self, name: str) -> Path:
        """Path of the analysis `name`."""
        return self.analyses / f"{name}.ipynb"

    def notebooks(self) -> list[str]:
        """Names of all analyses; files beginning with an underscore are templates."""
        return sorted(p.stem for p in self.analyses.glob("*.ipynb") if not p.name.startswith("_"))

    def packages(self) -> list[str]:
        """Names of all evidence packages present."""
        return sorted(p.parent.name for p in self.evidence.glob("*/datapackage.json"))

    def report(self, report_id: str) -> Path:
        """Folder a report is published into."""
        return self.reports / report_id

    def executed(self, report_id: str) -> Path:
        """Path of a report's executed notebook."""
        return self.state / f"{report_id}.ipynb"

    def results(self, report_id: str) -> Path:
        """Path of the seal of what a report published: the hash of all that other reports may read of it."""
        return self.state / f"{report_id}.results"

    def clean(self) -> list[Path]:
        """Remove built pages, figures, tables and build state; return what was removed.

        numbers.json and run.json stay: they are the published edition.
        """
        folders = [p for p in self.reports.glob("*") if p.is_dir()]
        front = [self.reports / name for name in ("index.html", "claims.html", "changes.html")]
        # the build state goes last: the lock that keeps builds away lies in it
        doomed = [*front, *(f / name for f in folders for name in BUILT), self.state]
        removed = [path for path in doomed if path.exists()]
        for path in removed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return removed
