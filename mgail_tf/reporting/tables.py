"""The CSVs of results/: their columns, reading them, and adding rows to them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mgail_tf.errors import UNREADABLE, BadInput, one_line
from mgail_tf.files import make_folder, write_whole
from mgail_tf.policies.experts import results_folder

_SCORE = ("mode", "episodes", "return_mean", "return_std_over_episodes", "length_mean")
RUN = ("algorithm", "variant", "num_trajectories", "subsample", "seed")
ASKED = ("expert_queries", "expert_steps")  # empty where no expert was asked
# results/README.md explains them
RUN_COLUMNS = (
    *("task", "env_id", *RUN, "env_steps", *_SCORE, "normalised", "wall_seconds"),
    *("demos_sha256", "config_sha256", "commit", "versions", "prefill_steps", "evaluation_steps"),
    *ASKED,
)
EXPERT_COLUMNS = (
    *("task", "env_id", "env_steps", *_SCORE, "random_return_mean", "wall_seconds"),
    *("weights_sha256", "commit", "versions", "seed", "command", "algorithm", "normalised"),
)
# tables that no run changes: a folder without them uses those of results/
_COMMITTED = ("experts.csv", "paper_table1.csv", "published_interactions.csv")
CURVE_COLUMNS = ("task", *RUN, "env_steps", "return", "evaluation", "action_share")


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV of results, which has these columns and maybe others.

    What is known without any run (the experts' scores, what is printed elsewhere) is read from
    results/ where the folder has no such file.

    Raises:
        BadInput: it is missing, or no such table.
    """
    if path.name in _COMMITTED and not path.exists():
        path = results_folder() / path.name
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a table ({error})") from error
    if missing := [name for name in columns if name not in table]:
        raise BadInput(f"{path}: columns: found no {missing}, expected {list(columns)}")
    return table


def held(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV with exactly these columns, as text; none if there is no file.

    Tables that are older than the columns `ASKED` are read as if nobody had been asked.

    Raises:
        BadInput: it is no table, or has other columns.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (*UNREADABLE, csv.Error) as error:
        raise BadInput(f"{path}: not a table ({one_line(error)})") from error
    older = [name for name in columns if name not in ASKED]
    if reader.fieldnames not in (list(columns), older):
        found = reader.fieldnames
        raise BadInput(f"{path}: columns: found {found}, expected {list(columns)}")
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():  # too long, too short
            raise BadInput(f"{path}: row {number}: expected {len(reader.fieldnames)} values")
    return [{name: row.get(name, "") for name in columns} for row in rows]


def check(path: Path, columns: Sequence[str]) -> None:
    """Refuse a table that `merge` cannot write, before a study takes its time.

    Raises:
        BadInput: its folder cannot be made, or the file is no table with these columns.
    """
    make_folder(path.parent)
    held(path, columns)


def merge(path: Path, new: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Add rows to a table; a row replaces the one that has the same values in the `key` columns.

    Raises:
        BadInput: see `check`.
    """
    columns = list(new[0])
    check(path, columns)
    rows = [*held(path, columns), *new]
    write(path, columns, {tuple(str(row[name]) for name in key): row for row in rows}.values())


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV that is never seen half written."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
