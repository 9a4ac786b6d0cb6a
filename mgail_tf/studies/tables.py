"""The CSV of a study, into which the rows of several runs of it are merged."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mgail_tf.errors import UNREADABLE, BadInput, one_line
from mgail_tf.files import make_folder, write_whole


def check(path: Path, columns: Sequence[str]) -> None:
    """Refuse a table that `merge` cannot write, before a study takes its time.

    Raises:
        BadInput: its folder cannot be made, or the file is no table with these columns.
    """
    make_folder(path.parent)
    _rows(path, columns)


def merge(path: Path, new: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Write rows to a table; a row replaces the one that has the same values in the `key` columns.

    Raises:
        BadInput: see `check`.
    """
    columns = list(new[0])
    check(path, columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    rows = [*_rows(path, columns), *new]
    writer.writerows({tuple(str(row[name]) for name in key): row for row in rows}.values())
    write_whole(path, text.getvalue())


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except UNREADABLE as error:
        raise BadInput(f"{path}: not a table ({one_line(error)})") from error
    if reader.fieldnames != list(columns):
        found = reader.fieldnames
        raise BadInput(f"{path}: columns: found {found}, expected {list(columns)}")
    return rows
