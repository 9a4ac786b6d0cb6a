"""From run folders to the tables of a results folder: runs.csv, curves.csv and experts.csv."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import make_folder
from mgail_tf.reporting import tables
from mgail_tf.reporting.tables import CURVE_COLUMNS, EXPERT_COLUMNS, RUN, RUN_COLUMNS

_POINTS = 40  # of a learning curve that are kept, beside its evaluations
# table -> its columns, and those that say which run and which row of it
_TABLES: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "runs.csv": (RUN_COLUMNS, ("task", *RUN, "mode")),
    "curves.csv": (CURVE_COLUMNS, ("task", *RUN, "env_steps")),
    "experts.csv": (EXPERT_COLUMNS, ("task", "seed", "mode")),
}


def curve(progress: Path) -> pd.DataFrame:
    """Return what is kept of a progress.csv: env_steps, return, evaluation, action_share.

    `return` is the mean over a stretch of rows (of the mean return of training episodes);
    `evaluation`, of the deterministic policy, stands where one was made, and all of them are kept;
    so does MGAIL's `action_share`.
    """
    always = ["env_steps", "return", "evaluation"]
    columns = [*always, "action_share"]
    data = tables.read(progress, always).reindex(columns=columns)
    stride = max(1, math.ceil(len(data) / _POINTS))
    last = data["evaluation"].notna() | (data.index % stride == stride - 1)
    stretch = last.cumsum().shift(fill_value=0)
    rules = dict.fromkeys(columns, "last") | {"return": "mean"}
    return data.groupby(stretch).agg(rules).round({"return": 2, "evaluation": 2, "action_share": 3})


def merge(folders: Sequence[Path], out: Path, replace: bool = False) -> list[tuple[Path, int, int]]:
    """Add the results of finished runs to the tables in `out`; rows of other runs are kept.

    Args:
        folders: of runs, or of folders of runs.
        replace: let a run's rows replace others of the same run.

    Returns:
        (table, new rows, rows in all) of each table that was written.

    Raises:
        BadInput: there is no finished run, a file is damaged, a table has other columns, or it has
            other numbers for a run and `replace` is not said.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for folder in _runs(folders):
        for table, row in _rows_of(folder):
            columns, row = _TABLES[table][0], {**dict.fromkeys(tables.ASKED), **row}
            if missing := [name for name in columns if name not in row]:
                raise BadInput(f"{folder}: rows: found no {missing}, expected {list(columns)}")
            found.setdefault(table, []).append({name: _text(row[name]) for name in columns})
    make_folder(out)
    # every table is merged before any is written
    merged = {name: _merged(out / name, rows, replace) for name, rows in found.items()}
    for name, (_, rows) in merged.items():
        tables.write(out / name, _TABLES[name][0], rows)
    return [(out / name, added, len(rows)) for name, (added, rows) in merged.items()]


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def _runs(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the finished runs among folders and the folders in them."""
    for folder in folders:
        finished = sorted({path.parent for path in folder.glob("*/final.json")})
        if (folder / "final.json").exists():
            finished = [folder]
        if not finished:
            raise BadInput(f"{folder}: found no final.json, expected the folder of a finished run")
        yield from finished


def _rows_of(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (table, row) of everything that a run's folder says."""
    try:
        algorithm = json.loads((folder / "config.json").read_text())["algorithm"]
        final = json.loads((folder / "final.json").read_text())
        rows = final["rows"]
        for row in rows:
            if algorithm == "trpo":
                yield "experts.csv", {**row, "algorithm": "expert"}
            else:
                yield "runs.csv", {**row}
        if algorithm != "trpo" and (shown := _shown(final)):
            yield "experts.csv", shown
        if algorithm in ("gail", "mgail"):
            for point in curve(folder / "progress.csv").astype(object).to_dict("records"):
                yield "curves.csv", {**rows[0], **{str(k): v for k, v in point.items()}}
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadInput(f"{folder}: not a run that can be collected ({one_line(error)})") from error


def _shown(final: dict[str, Any]) -> dict[str, Any] | None:
    """Return the row of an expert of which only demonstrations are known; None if it is another.

    That of one of the paper's tasks, whatever the time limit, comes from the run that trained it.
    """
    row, known = final["rows"][0], {task.env_id for task in TASKS.values()}
    if row["env_id"] in known or final.get("expert_return") is None:
        return None
    named = {"task": row["task"], "env_id": row["env_id"], "mode": "stochastic", "seed": ""}
    returns = {
        "return_mean": round(final["expert_return"], 2),
        "random_return_mean": round(final["random_return"], 2),
        "normalised": 1.0,
    }
    return dict.fromkeys(EXPERT_COLUMNS) | named | returns | {"algorithm": "demonstrations"}


def _merged(
    path: Path, new: Sequence[dict[str, str]], replace: bool
) -> tuple[int, list[dict[str, str]]]:
    """Return how many rows a table gains, and its rows: those there, then the new ones."""
    columns, key = _TABLES[path.name]
    held = tables.held(path, columns)
    rows = {tuple(row[name] for name in key): row for row in held}
    if len(rows) != len(held):
        raise BadInput(f"{path}: found a row twice, expected one a run and mode")
    before = len(rows)
    run_key = [name for name in key if name != "env_steps"]
    replaced = set()
    for row in new:
        place = tuple(row[name] for name in key)
        run = tuple(row[name] for name in run_key)
        if replace and run not in replaced:
            replaced.add(run)
            rows = {k: r for k, r in rows.items() if tuple(r[name] for name in run_key) != run}
        other = rows.get(place)
        if other is not None and other != row and not replace:
            name = ", ".join(f"{column} {row[column]}" for column in key)
            differing = next(column for column in columns if other[column] != row[column])
            raise BadInput(
                f"{path}: {name}: {differing}: found {other[differing]}, expected "
                f"{row[differing]} as in the run's folder; --replace takes the folder's"
            )
        rows[place] = row
    return len(rows) - before, list(rows.values())
