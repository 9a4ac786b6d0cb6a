"""The paper's Table 1 beside ours: every cell of it, run here or not yet."""

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput
from mgail_tf.reporting.aggregates import interquartile_mean
from mgail_tf.reporting.tables import read

CELL = ["task", "num_trajectories", "algorithm"]
_PRINTED = {"bc": "BC", "gail": "GAIL", "mgail": "MGAIL"}
_BOLD = re.compile(r"\*\*(.*)\*\*")
_NEGATIVE = re.compile(r"-(\d)")
_EXPLANATION = """# Table 1 of the paper, and ours

Mean returns, ± the standard deviation over episodes. "Paper" is as printed, on the environments of
2016 (v0 and v1) with the experts of that time. "Here" is of the environments named, and of this
project's experts: final policies, deterministic, over 50 episodes, on the mean of the seeds, whose
number stands in brackets. In bold is the best as printed, and the best here where all three have
been run. Returns of different versions of an environment do not compare; table1.csv has ours on the
expert's scale too.
"""
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


def is_stable(scores: pd.Series) -> bool:
    """Return whether the last five evaluations of a run, normalised, are within 10 % of its best.

    On the scale of returns 10 % would be little where returns are negative and near 0.
    """
    best = scores.max()
    return bool((scores.iloc[-5:] >= best - 0.1 * abs(best)).all())


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
    levels = read(folder / "experts.csv", ["task", "mode", "return_mean", "random_return_mean"])
    levels = levels[levels["mode"] == "stochastic"].set_index("task")
    low, high = (curves["task"].map(levels[name]) for name in ("random_return_mean", "return_mean"))
    curves["score"] = (curves["evaluation"] - low) / (high - low)
    known = curves.dropna(subset=["score"])
    return known.groupby(by)["score"].agg(is_stable).astype(float).rename("stable")


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
        "normalised_iqm": interquartile_mean(runs["normalised"].to_numpy()),
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
    """Return the lines of Table 1 as the paper lays it out, what it prints and then ours.

    A cell holds the mean return and the standard deviation over episodes; ours also how many seeds
    it is of. In **bold** is the best of what the paper prints, and the best of ours where all three
    algorithms have been run.
    """
    lines, before = [], ""
    for (task, count), cell in table.groupby(CELL[:2], sort=False):
        rows = cell.set_index("algorithm").loc[[*_PRINTED]]
        ours, printed = rows["return_mean"], rows["paper_return_mean"]
        name = TASKS[str(task)].env_id
        line = ["" if task == before else name, str(count)]
        for _, row in rows.iterrows():
            text = f"{row['paper_return_mean']:,.1f} ± {row['paper_return_std_over_episodes']:,.1f}"
            line.append(f"**{text}**" if row["paper_return_mean"] == printed.max() else text)
        for _, row in rows.iterrows():
            text = f"{row['return_mean']:,.1f} ± {row['return_std_over_episodes']:,.1f}"
            best = ours.notna().all() and row["return_mean"] == ours.max()
            text = f"**{text}** ({row['seeds']})" if best else f"{text} ({row['seeds']})"
            line.append(text if row["seeds"] else "")
        lines.append(line)
        before = str(task)
    return lines


def markdown(table: pd.DataFrame) -> str:
    """Return `laid_out` as a page in Markdown."""
    done = f"{(table['seeds'] > 0).sum()} of {len(table)} cells have been run."
    names = [f"{name}, {whose}" for whose in ("paper", "here") for name in _PRINTED.values()]
    header = ["environment", "trajectories", *names]
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *laid_out(table)]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{_EXPLANATION}\n{done}\n\n{rows}"


def latex(table: pd.DataFrame) -> str:
    """Return `laid_out` as a table in LaTeX, for the package booktabs."""
    names = [*_PRINTED.values()]
    lines = [
        "\\begin{tabular}{lrrrrrrr}",
        "\\toprule",
        "& & \\multicolumn{3}{c}{as printed} & \\multicolumn{3}{c}{here (seeds)} \\\\",
        "\\cmidrule(lr){3-5} \\cmidrule(lr){6-8}",
        f"{' & '.join(['environment', 'trajectories', *names, *names])} \\\\",
        "\\midrule",
    ]
    for number, row in enumerate(laid_out(table)):
        if row[0] and number:
            lines.append("\\addlinespace")
        cells = [_BOLD.sub(r"\\textbf{\1}", cell).replace("±", "$\\pm$") for cell in row]
        cells[2:] = [_NEGATIVE.sub(r"$-$\1", cell) for cell in cells[2:]]
        lines.append(f"{' & '.join(cells)} \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])
