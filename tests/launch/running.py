"""The scripts of launch/, run within a test as a user would, and what they leave behind."""

import csv
import importlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(p.stem for p in (ROOT / "launch").glob("*.py") if not p.stem.startswith("_"))


def run(script: str, *flags: Any) -> int:
    """Run a script in this process; return its exit code."""
    return importlib.import_module(script).main([script, *map(str, flags)])


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}
