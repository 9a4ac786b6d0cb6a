"""The paper's Table 1 beside ours: every cell of it, run here or not yet."""

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput
from mgail_tf.reporting.tables import read

CELL = ["task", "num_trajectories", "algorithm"]
_PRINTED = {"bc": "BC", "gail": "GAIL", "mgail": "MGAIL"}
_BOLD = re.compile(r"\*\*(.*)\*\*")
_OF_RUNS = (
    *(*CELL, "variant", "subsample", "seed", "env_id", "env_steps"),
    *("mode", "return_mean", "return_std_over_episodes", "normalised", "wall_seconds"),
)


def interval(values: pd.Series) -> float:
    """Return half the width of the 95 % interval of a mean, by Student's t; NaN of one seed."""
    count = len(values)
    if count < 2:
        return math.nan
    return float(stats.t.ppf(0.975, count - 1) * values.std() / math.sqrt(count))


def is_stable(evaluations: pd.Series) -> bool:
    """Return whether the last five evaluations of a run are within 10 % of its best."""
    best = evaluations.max()
    return bool((evaluations.iloc[-5:] >= best - 0.1 * abs(best)).all())


def _stable(folder: Path) -> pd.Series:
    """Return `is_stable` of each run of curves.csv, by cell, subsample and seed."""
    by = [*CELL, "subsample", "seed"]
    if not (folder / "curves.csv").exists():
        return pd.DataFrame(columns=[*by, "stable"]).set_index(by)["stable"].astype(float)
    curves = read(folder / "curves.csv", [*by, "variant", "env_steps", "evaluation"]).dropna(
        subset=["evaluation"]
    )
    curves = curves[curves["variant"] == "default"].sort_values("env_steps")
    twice = curves[curves.duplicated([*by, "env_steps"])]
    if len(twice):
        run = ", ".join(f"{name} {twice.iloc[0][name]}" for name in by)
        raise BadInput(f"{folder / 'curves.csv'}: {run}: found two curves, expected one")
    return curves.groupby(by)["evaluation"].agg(is_stable).astype(float).rename("stable")


def _cell(runs: pd.DataFrame) -> dict[str, Any]:
    """Return what one cell's runs, a seed each, come to."""
    if not len(runs):
        return {"seeds": 0}
    return {
        "env_id": runs["env_id"].iloc[0],
        "seeds": len(runs),
        "env_steps": round(runs["env_steps"].mean()),
        "return_mean": runs["return_mean"].mean(),
        "return_interval_over_seeds": interval(runs["return_mean"]),
        "return_std_over_episodes": runs["return_std_over_episodes"].mean(),
        "normalised": runs["normalised"].mean(),
        "normalised_iqm": stats.trim_mean(runs["normalised"], 0.25),
        "normalised_interval_over_seeds": interval(runs["normalised"]),
        "normalised_min": runs["normalised"].min(),
        "stable_seeds": runs["stable"].sum(min_count=1),
        "wall_seconds": runs["wall_seconds"].mean(),
    }


def cells_here(folder: Path, mode: str = "deterministic") -> pd.DataFrame:
    """Return the rows of runs.csv that count for Table 1, a row a cell and seed.

    Those are the final policies of the default variant, by the paper's sub-sampling.

    Raises:
        BadInput: there is no such table, or a cell has a seed twice.
    """
    runs = read(folder / "runs.csv", _OF_RUNS)
    every = runs["task"].map({name: task.subsample for name, task in TASKS.items()})
    kept = (runs["variant"] == "default") & (runs["mode"] == mode)
    ours = runs.loc[kept & (runs["subsample"] == every)]
    twice = ours[ours.duplicated([*CELL, "seed"])]
    if len(twice):
        cell = ", ".join(f"{name} {twice.iloc[0][name]}" for name in [*CELL, "seed"])
        raise BadInput(f"{folder / 'runs.csv'}: found two rows of {cell}, expected one")
    return ours


def table1(folder: Path) -> pd.DataFrame:
    """Return Table 1: a row a cell (task, number of trajectories, algorithm) of the paper's.

    Of runs.csv it takes the final policies of the default variant, deterministic, by the paper's
    sub-sampling. A cell's numbers are means over its seeds. `stable_seeds` counts those whose last
    five evaluations on the way (curves.csv) are within 10 % of their best.

    Raises:
        BadInput: runs.csv or paper_table1.csv is missing or no table, or a cell has a seed twice.
    """
    ours = cells_here(folder)
    names = ("task", "trajectories", "algorithm", "return_mean", "return_std_over_episodes")
    paper = read(folder / "paper_table1.csv", names).rename(
        columns={
            "trajectories": "num_trajectories",
            "return_mean": "paper_return_mean",
            "return_std_over_episodes": "paper_return_std_over_episodes",
        }
    )
    ours = ours.join(_stable(folder), on=[*CELL, "subsample", "seed"])
    rows = []
    for printed in paper.to_dict("records"):
        same = ours[CELL].eq([printed[name] for name in CELL]).all(axis=1)
        here = ours.loc[same]
        rows.append({str(k): v for k, v in printed.items()} | _cell(here))
    columns = [*CELL, *_cell(ours.iloc[:1]), *paper.columns.drop(CELL)]
    return pd.DataFrame(rows, columns=columns).round(4)


def laid_out(table: pd.DataFrame) -> list[list[str]]:
    """Return Table 1 as the paper lays it out, ours beside what it prints: a header, then rows.

    A cell holds the mean return and the standard deviation over episodes. In **bold** is the best
    of what the paper prints, and the best of ours.
    """
    names = [f"{name}, {whose}" for whose in ("paper", "here") for name in _PRINTED.values()]
    lines = [["task", "trajectories", *names]]
    means = {"paper": "paper_return_mean", "here": "return_mean"}
    spreads = {
        "paper": "paper_return_std_over_episodes",
        "here": "return_std_over_episodes",
    }
    before = ""
    for (task, count), cell in table.groupby(CELL[:2], sort=False):
        rows = cell.set_index("algorithm")
        name = TASKS[str(task)].env_id.split("-")[0]
        line = ["" if task == before else name, str(count)]
        for whose, mean in means.items():
            best = rows[mean].max()
            for algorithm in _PRINTED:
                value, spread = rows.loc[algorithm, [mean, spreads[whose]]].to_numpy(float)
                text = "" if math.isnan(value) else f"{value:,.1f} ± {spread:,.1f}"
                line.append(f"**{text}**" if text and value == best else text)
        lines.append(line)
        before = str(task)
    return lines


def markdown(table: pd.DataFrame) -> str:
    """Return `laid_out` as a table in Markdown."""
    header, *rows = laid_out(table)
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: pd.DataFrame) -> str:
    """Return `laid_out` as a table in LaTeX, for the package booktabs."""
    header, *rows = laid_out(table)
    lines = [f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", "\\toprule"]
    lines += [f"{' & '.join(header)} \\\\", "\\midrule"]
    for row in rows:
        if row[0] and row is not rows[0]:
            lines.append("\\addlinespace")
        cells = [_BOLD.sub(r"\\textbf{\1}", cell).replace("±", "$\\pm$") for cell in row]
        lines.append(f"{' & '.join(cells)} \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])
