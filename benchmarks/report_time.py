"""Where a report's time goes: `python -m benchmarks.report_time primary-hip-readmission`.

Runs the notebook as the build does and publishes nothing. Seconds are of the processor, which other work on
the machine moves little; those of cells are by the clock, to compare them with each other.
"""

import resource
import sys
import tempfile
from pathlib import Path


def used(who):
    spent = resource.getrusage(who)
    return spent.ru_utime + spent.ru_stime


class Stages:
    """Prints the processor time that each stage took: in this process, and in kernels that have ended."""

    def __init__(self):
        self.last = self._now()

    def _now(self):
        return used(resource.RUSAGE_SELF), used(resource.RUSAGE_CHILDREN)

    def told(self, stage):
        now = self._now()
        own, kernel = (after - before for before, after in zip(self.last, now, strict=True))
        print(f"{stage:<42} here {own:6.2f} s   kernel {kernel:6.2f} s", flush=True)
        self.last = self._now()


def main(report):
    stages = Stages()
    from soa_evidence.publish import build, bundles, disclosure, execute, glossary, sections
    from soa_evidence.publish.project import Project

    stages.told("loading the build")
    project = Project.find()
    job = next(job for job in build.plan(project, [report]) if job.report.id == report)
    stages.told("planning: what the report is made from")
    import papermill  # noqa: F401 - paid once by each worker

    stages.told("loading papermill (once a worker)")
    with tempfile.TemporaryDirectory() as folder:
        executed = execute.run(
            project.notebook(job.report.notebook), Path(folder) / "executed.ipynb",
            parameters=job.report.values, seal="", after=job.report.after, force=True,
        )  # fmt: skip
    stages.told("running the notebook")
    found = bundles.collect(executed)
    smallest = disclosure.smallest_counts(project.evidence, job.report.all_evidence)
    disclosure.refusals(
        disclosure.Shown(
            bundles=found, evidence=job.report.all_evidence, after=job.report.feeders, smallest=smallest
        )
    )
    stages.told("the gate")
    parts = sections.split(executed)
    words = glossary.Words(glossary.terms(project.glossary))
    for section in parts.sections:
        words.explained(section.html)
    stages.told("sections and terms of the page")
    took = [
        (cell.metadata["papermill"].get("duration") or 0.0, cell.source.strip().splitlines()[0])
        for cell in executed.cells
        if cell.cell_type == "code" and cell.source.strip()
    ]
    print("\nThe longest cells, by the clock:")
    for seconds, line in sorted(took, reverse=True)[:5]:
        print(f"{seconds:6.2f} s  {line[:90]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
