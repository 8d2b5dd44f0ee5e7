"""Run one notebook strictly: quiet environment, own kernel, the first error stops it.

The only module that knows papermill.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soa_evidence.errors import BuildError
from soa_evidence.publish.parameters import Value
from soa_evidence.reporting.published_report import ALLOWED

__all__ = ["CellError", "run"]

#: Metadata key under which an executed notebook says what it was made from.
SEAL = "soa_evidence"

#: One thread a numerical library: reports run side by side, and sums come out in the same order every time.
QUIET = {
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
    # Empty is off: libraries compiled anew in every process were half of what a short report took.
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONNOUSERSITE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


@dataclass(frozen=True, kw_only=True)
class CellError:
    """Where and why a notebook stopped; `cell` counts code cells from 1, as JupyterLab shows them."""

    cell: int
    tag: str
    first_line: str
    reason: str

    @property
    def text(self) -> str:
        """The error in one line."""
        if not self.cell:
            return self.reason
        name = f"tagged '{self.tag}'" if self.tag else f"`{self.first_line}`"
        return f"code cell {self.cell} {name}: {self.reason}"


class NotebookError(BuildError):
    """A notebook stopped; `.cell_error` says where. Pickles, because it crosses process borders."""

    def __init__(self, message: str, cell_error: CellError) -> None:
        super().__init__(message, cell_error)
        self.cell_error = cell_error

    def __str__(self) -> str:
        return str(self.args[0])


def run(
    source: Path,
    output: Path,
    *,
    parameters: Mapping[str, Value],
    seal: str,
    after: tuple[str, ...] = (),
    force: bool = False,
) -> Any:
    """Return the executed notebook (nbformat node), running it unless `output` already carries `seal`.

    Parameters
    ----------
    source, output
        The notebook as written, and where its executed copy is kept.
    parameters
        Every parameter's value, injected after the cell tagged ``parameters``.
    seal
        Hash of all that decides what the cells give.
    after
        Reports whose results the notebook may read.
    force
        Run even when an executed copy with the same seal is there.

    Raises
    ------
    NotebookError
        When a cell raises or the kernel dies.
    """
    if not force and output.is_file():
        kept = _read(output)
        if kept.metadata.get(SEAL, {}).get("seal") == seal:
            return kept
    import nbformat

    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    # no one's start-up files take part, and no report but those declared is read
    own = {"IPYTHONDIR": str(output.parent / "ipython"), ALLOWED: ",".join(after)}
    with _environment(QUIET | own), _streams_to(output.with_suffix(".log")):
        executed = _papermill(source, output, dict(parameters))
    executed.metadata[SEAL] = {"seal": seal}
    output.write_text(nbformat.writes(executed), encoding="utf-8")  # type: ignore[no-untyped-call]
    return executed


def _read(path: Path) -> Any:
    """Return a notebook file as an nbformat node."""
    import nbformat

    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]


def _papermill(source: Path, output: Path, parameters: dict[str, Value]) -> Any:
    import papermill
    from nbclient.exceptions import DeadKernelError

    try:
        return papermill.execute_notebook(
            source,
            output,
            parameters=parameters,
            kernel_name="python3",
            cwd=source.parent,
            progress_bar=False,
            log_output=False,
            start_timeout=120,
        )
    except papermill.PapermillExecutionError as error:
        found = _locate(output, error)
        raise NotebookError(f"{source.name}, {found.text}", found) from None
    except DeadKernelError:
        found = CellError(cell=0, tag="", first_line="", reason="the kernel died (out of memory?)")
        raise NotebookError(f"{source.name}: {found.reason}", found) from None


def _locate(output: Path, error: Any) -> CellError:
    """Find the failed cell's number in the notebook as written: papermill adds cells of its own."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    number, tags = 0, []
    for cell in _read(output).cells:
        tags = cell.metadata.get("tags", [])
        number += cell.cell_type == "code" and not added & set(tags)
        if cell.cell_type == "code" and cell.source == error.source and _raised(cell):
            break
    last = str(error.evalue).strip().splitlines()
    line = next((line.strip() for line in error.source.splitlines() if line.strip()), "")
    return CellError(
        cell=number,
        tag=next((t for t in tags if t not in added), ""),
        first_line=line[:80],
        reason=f"{error.ename}: {last[-1] if last else ''}".rstrip(": "),
    )


def _raised(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the kernel to inherit, and put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _streams_to(log: Path) -> Iterator[None]:
    """Send what the kernel writes to the terminal's own streams into a log, so progress lines stay whole."""
    kept = os.dup(1), os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])
