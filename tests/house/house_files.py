"""What the house tests look at: the repository's files, as text, and the modules of the library."""

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "src" / "soa_evidence"
#: Files whose bytes are not text that anyone wrote.
BINARY = {".gz", ".parquet", ".png", ".ico", ".woff2"}


@functools.cache
def tracked():
    """Paths of all files in git, and those about to be: what a clone would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def texts():
    """Paths and contents of all tracked files that are text."""
    return [(p, p.read_text(encoding="utf-8")) for p in tracked() if p.suffix not in BINARY]


def modules():
    """Paths of the library's modules."""
    return sorted(LIBRARY.rglob("*.py"))


def dotted(path):
    """Name of a module under src, as Python imports it."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path):
    """Path as a reader of a test's message knows it."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def methods():
    """Dotted names, without the package's own, of every module that holds a method: a public `fit`."""
    found = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "fit" for node in tree.body):
            found.append(dotted(path).removeprefix("soa_evidence."))
    return found
