"""The tables in README.md and docs/, made from the CSVs of results/.

A page holds `<!-- table: NAME -->` and `<!-- end -->`; what stands between them is replaced by the
table of that name.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mgail_tf.config.tasks import TASKS, env_id_of
from mgail_tf.errors import BadInput
from mgail_tf.reporting import interactive
from mgail_tf.reporting.table1 import CELL
from mgail_tf.reporting.tables import read

_BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MODES = ("deterministic", "stochastic")
RESTARTS = "cosine_restarts"  # label of runs with that schedule of the learning rates


def fill(page: str, folder: Path) -> str:
    """Return a page with every table in it made again from a results folder.

    Raises:
        BadInput: the page names an unknown table, or a CSV is missing.
    """

    def made(match: re.Match[str]) -> str:
        name = match[2]
        if name not in TABLES:
            raise BadInput(f"table: found {name!r}, expected one of {', '.join(TABLES)}")
        return f"{match[1]}{_markdown(TABLES[name](folder))}{match[3]}"

    return _BLOCK.sub(made, page)


def _markdown(lines: Iterator[Sequence[str]]) -> str:
    """Return lines of cells as a table, the first of them its header."""
    header, *rows = lines
    rule = ["---"] * len(header)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def _number(value: float) -> str:
    """Return a return: whole from 1,000 on, with one decimal below."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}"


def _steps(count: float) -> str:
    """Return a number of environment steps to three digits; nothing where it is not known."""
    if math.isnan(count):
        return ""
    return f"{count / 1e6:.3g} M" if count >= 1e6 else f"{count / 1e3:.3g} k" if count else "0"


def _name(task: str) -> str:
    return env_id_of(task).split("-")[0]


def _finals(
    folder: Path,
    task: str,
    algorithm: str,
    mode: str = "deterministic",
    variant: str = "default",
) -> pd.DataFrame:
    """Return the runs of a task's smallest dataset, by seed."""
    wanted = {
        "task": task,
        "algorithm": algorithm,
        "variant": variant,
        "mode": mode,
        "num_trajectories": TASKS[task].num_trajectories,
        "subsample": TASKS[task].subsample,
    }
    runs = read(folder / "runs.csv", [*wanted, "seed", "normalised"])
    return runs.loc[(runs[list(wanted)] == pd.Series(wanted)).all(axis=1)].sort_values("seed")


def _experts(folder: Path, task: str) -> dict[str, Any]:
    """Return the rows of a task's expert by mode."""
    table = read(folder / "experts.csv", ["task", "mode", "return_mean", "random_return_mean"])
    rows = table[table["task"] == task].set_index("mode")
    return {mode: rows.loc[mode] for mode in _MODES}


def _summary(folder: Path) -> Iterator[Sequence[str]]:
    """README's table: a row a task, normalised scores."""
    steps_of = "MGAIL's steps", "GAIL's"
    yield "task", "demonstrations", "expert", "BC", "GAIL", "**MGAIL**", "seeds", *steps_of
    for task, settings in TASKS.items():
        count = settings.num_trajectories
        runs = {name: _finals(folder, task, name) for name in ("bc", "gail", "mgail")}
        scores = [f"{of['normalised'].mean():.2f}" if len(of) else "" for of in runs.values()]
        seeds = ", ".join(str(len(of)) for of in runs.values())
        steps = (_steps(runs[name]["env_steps"].mean()) for name in ("mgail", "gail"))
        plural = "trajectory" if count == 1 else "trajectories"
        shown = f"{count} {plural}, 1 pair in {settings.subsample}"
        expert = _number(_experts(folder, task)["stochastic"]["return_mean"])
        yield _name(task), shown, expert, *scores[:2], f"**{scores[2]}**", seeds, *steps


def _scores(folder: Path) -> Iterator[Sequence[str]]:
    """Return and normalised score of every policy, both modes."""
    yield (
        "task",
        "policy",
        "steps",
        "seeds",
        "return (lowest to highest)",
        "normalised",
        "as sampled",
    )
    for task in TASKS:
        expert = _experts(folder, task)
        own = (expert["deterministic"]["normalised"], expert["stochastic"]["normalised"])
        shown = _number(expert["deterministic"]["return_mean"])
        steps = _steps(expert["deterministic"]["env_steps"])
        seed = str(expert["deterministic"]["seed"])
        yield _name(task), "expert (TRPO)", steps, seed, shown, f"{own[0]:.2f}", f"{own[1]:.2f}"
        for algorithm in ("bc", "gail", "mgail"):
            runs, sampled = (_finals(folder, task, algorithm, mode) for mode in _MODES)
            if not len(runs):
                continue
            values = runs["return_mean"]
            ends = (_number(values.min()), _number(values.max()))
            spread = f" ({ends[0]} to {ends[1]})" if len(runs) > 1 else ""
            yield (
                "",
                algorithm.upper(),
                _steps(runs["env_steps"].mean()),
                _seeds(runs["seed"]),
                f"{_number(values.mean())}{spread}",
                f"{runs['normalised'].mean():.2f}",
                f"{sampled['normalised'].mean():.2f}",
            )


def _seeds(seeds: pd.Series) -> str:
    """Return which seeds there are: 0, 0-4, or 0, 2."""
    found = sorted(set(seeds))
    if len(found) > 1 and found == [*range(found[0], found[-1] + 1)]:
        return f"{found[0]}-{found[-1]}"
    return ", ".join(map(str, found))


def _sizes(folder: Path) -> Iterator[Sequence[str]]:
    """Every dataset of Table 1 that has been run: normalised scores, and of how many seeds."""
    yield "task", "trajectories", "BC", "GAIL", "MGAIL"
    table = read(folder / "table1.csv", [*CELL, "seeds", "normalised"])
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for row in table[table["seeds"] > 0].to_dict("records"):
        score = f"{row['normalised']:.2f} ({row['seeds']})"
        cells.setdefault((row["task"], row["num_trajectories"]), {})[row["algorithm"]] = score
    for (task, count), scores in cells.items():
        yield _name(task), str(count), *(scores.get(name, "") for name in ("bc", "gail", "mgail"))


def _stability(folder: Path) -> Iterator[Sequence[str]]:
    """How steady MGAIL's runs end, and what they cost."""
    yield "task", "every seed, normalised", "stable seeds", "minutes a run"
    table = read(folder / "table1.csv", ["task", "algorithm", "num_trajectories", "stable_seeds"])
    for task, settings in TASKS.items():
        runs = _finals(folder, task, "mgail")
        cell = table[(table["task"] == task) & (table["algorithm"] == "mgail")]
        cell = cell[cell["num_trajectories"] == settings.num_trajectories]
        stable = cell["stable_seeds"].iloc[0]
        each = " ".join(f"{value:.2f}" for value in runs["normalised"])
        minutes = runs["wall_seconds"] / 60
        cost = f"{minutes.min():.0f} to {minutes.max():.0f}"
        yield _name(task), each, f"{stable:.0f} of {len(runs)}", cost


def _second_experts(folder: Path) -> Iterator[Sequence[str]]:
    """The same settings on other experts."""
    yield "task", "expert as sampled", "steps", "MGAIL, by seed", "normalised"
    other = folder / "other_experts"
    runs = read(other / "runs.csv", ["task", "variant", "mode", "seed", "return_mean"])
    runs = runs[runs["mode"] == "deterministic"].sort_values("seed")
    for task in TASKS:
        expert = _experts(other, task)["stochastic"]
        low, high = expert["random_return_mean"], expert["return_mean"]
        for _, rows in runs[runs["task"] == task].groupby("env_steps"):
            values = rows["return_mean"]
            scores = ", ".join(f"{(x - low) / (high - low):.2f}" for x in values)
            shown = ", ".join(_number(x) for x in values)
            yield _name(task), _number(high), _steps(rows["env_steps"].iloc[0]), shown, scores


def _ablation(folder: Path) -> Iterator[Sequence[str]]:
    """What each addition to the paper does."""
    yield "addition X", "paper and X", "as sampled", "default without X", "as sampled"
    table = read(folder / "ablations.csv", ["variant", "mode", "normalised"])
    scores = table.set_index(["variant", "mode"])["normalised"]

    def both(label: str) -> list[str]:
        return [f"{scores[label, mode]:.2f}" for mode in _MODES]

    yield "(none)", *both("paper"), *both("default")
    added = [label for label in table["variant"].unique() if label.startswith("paper+")]
    for name in (label.removeprefix("paper+") for label in added):
        yield f"`{name}`", *both(f"paper+{name}"), *both(f"default-{name}")


def _forward_models(folder: Path) -> Iterator[Sequence[str]]:
    """Figure 5 in numbers, of the time when each task had settings of its own."""
    yield "task", "seeds", "final: GRU", "final: vanilla", "on the way: GRU", "on the way: vanilla"
    file = folder / "archive" / "task_settings" / "figure5.csv"
    table = read(file, ["task", "model", "normalised", "evaluation_mean"])
    for task in TASKS:
        rows = table[table["task"] == task].set_index("model")
        models = [rows.loc["GRU and Hadamard product"], rows.loc["vanilla forward model"]]
        columns = ("normalised", "evaluation_mean")
        cells = [f"{row[column]:.2f}" for column in columns for row in models]
        yield _name(task), str(models[0]["seeds"]), *cells


def _audit(folder: Path) -> Iterator[Sequence[str]]:
    """What is there of a score without an expert."""
    yield "task", "algorithm", "with the expert", "untrained D", "constant policy", "other sign"
    table = read(folder / "audit.csv", ["task", "algorithm", "audit", "return_mean"])
    for _, rows in table.groupby(["task", "algorithm"], sort=False):
        task, algorithm = rows["task"].iloc[0], rows["algorithm"].iloc[0]
        returns = rows.set_index("audit")["return_mean"]
        audits = ("expert", "untrained", "constant", "other_sign")
        yield _name(task), algorithm.upper(), *(_number(returns[name]) for name in audits)


def _effects(folder: Path) -> Iterator[Sequence[str]]:
    """The actions' share of D's Jacobian in MGAIL's runs, from beginning to end."""
    parts = ("first quarter", "second", "third", "last")
    yield "task", "seeds", *parts
    names = ["task", "algorithm", "variant", "seed", "num_trajectories", "env_steps"]
    curves = read(folder / "curves.csv", [*names, "action_share"])
    for task, settings in TASKS.items():
        ours = (curves["task"] == task) & (curves["algorithm"] == "mgail")
        ours &= curves["variant"] == "default"
        ours &= curves["num_trajectories"] == settings.num_trajectories
        rows = curves[ours]
        progress = rows["env_steps"] / rows.groupby("seed")["env_steps"].transform("max")
        quarter = np.ceil(4.0 * progress).clip(1, 4)
        means = rows["action_share"].groupby(quarter).mean().reindex(range(1, 5))
        cells = ["" if pd.isna(x) else f"{x:.2f}" for x in means]
        yield _name(task), str(rows["seed"].nunique()), *cells


def _gradients(folder: Path) -> Iterator[Sequence[str]]:
    """The exact gradient against the score function's."""
    yield "T", "batch", "estimator", "cosine", "relative variance"
    columns = ["horizon", "batch", "estimator", "cosine_mean", "relative_variance"]
    for row in read(folder / "gradients.csv", columns)[columns].itertuples(index=False):
        name = str(row.estimator).replace("_", " ")
        yield (
            str(row.horizon),
            str(row.batch),
            name,
            f"{row.cosine_mean:.2f}",
            (f"{row.relative_variance:.3g}"),
        )


def _statistics(folder: Path) -> Iterator[Sequence[str]]:
    """What holds over all cells: aggregates with their intervals."""
    yield "normalised scores", "algorithm", "cells", "runs", "deterministic", "as sampled"
    columns = ["statistic", "mode", "first", "cells", "runs", "value", "low", "high"]
    table = read(folder / "statistics.csv", columns)
    for statistic in ("interquartile_mean", "mean", "optimality_gap"):
        for algorithm in ("bc", "gail", "mgail"):
            same = (table["statistic"] == statistic) & (table["first"] == algorithm)
            rows = [table[same & (table["mode"] == mode)].iloc[0] for mode in _MODES]
            counts = f"{rows[0]['cells']:.0f}", f"{rows[0]['runs']:.0f}"
            name = statistic.replace("_", " ")
            yield name, algorithm.upper(), *counts, *(_with_ends(row) for row in rows)


def _with_ends(row: pd.Series) -> str:
    """Return a value and its interval."""
    ends = "" if pd.isna(row["low"]) else f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"{row['value']:.2f}{ends}"


def _tests(folder: Path) -> Iterator[Sequence[str]]:
    tests = "pairs", "ties", "p, two-sided", "p, better", "effect size"
    yield "MGAIL against", "scores", "P(better)", *tests
    columns = ["statistic", "mode", "second", "cells", "value", "low", "high"]
    columns += ["pairs", "ties", "p_two_sided", "p_first_greater", "effect_size"]
    table = read(folder / "statistics.csv", columns)
    chances = table[table["statistic"] == "probability_of_improvement"]
    for _, row in table.iterrows():
        over = str(row["statistic"]).removeprefix("signed_rank_of_")
        if over not in ("tasks", "cells"):
            continue
        same = (chances["second"] == row["second"]) & (chances["mode"] == row["mode"])
        chance = "".join(_with_ends(found) for _, found in chances[same].iterrows())
        p_values = (f"{row[name]:.2g}" for name in ("p_two_sided", "p_first_greater"))
        scores = row["mode"].replace("stochastic", "as sampled")
        counts = f"{row['pairs']:.0f} {over}", f"{row['ties']:.0f}"
        size = f"{row['effect_size']:.2f}"
        yield row["second"].upper(), scores, chance, *counts, *p_values, size


def _interactions(folder: Path) -> Iterator[Sequence[str]]:
    """Environment steps until a policy is near the expert."""
    yield "task", "algorithm", "trajectories", "0.5 of the expert", "0.9", "0.95"
    columns = ["task", "algorithm", "trajectories", "level", "seeds", "reached", "env_steps"]
    columns += ["env_steps_lowest", "env_steps_highest", "source"]
    table = read(folder / "interactions.csv", columns)
    ours = table[table["source"] == "here"]
    for (task, algorithm), rows in ours.groupby(["task", "algorithm"], sort=False):
        named = _name(str(task)), str(algorithm).upper(), f"{rows['trajectories'].iloc[0]:.0f}"
        yield *named, *(_steps_reached(row) for _, row in rows.iterrows())


def _steps_reached(row: pd.Series) -> str:
    """Return when runs reach a level: the median, the ends, and how many do."""
    some = f"{row['reached']:.0f} of {row['seeds']:.0f} seed{'s' if row['seeds'] > 1 else ''}"
    if pd.isna(row["env_steps"]):
        return some
    if pd.isna(row["env_steps_highest"]):
        return f"{_steps(row['env_steps'])} ({some})"
    if row["env_steps_lowest"] == row["env_steps_highest"]:
        return _steps(row["env_steps"])
    ends = _steps(row["env_steps_lowest"]), _steps(row["env_steps_highest"])
    return f"{_steps(row['env_steps'])} ({ends[0]} to {ends[1]})"


def _published(folder: Path) -> Iterator[Sequence[str]]:
    """What others publish of their interactions."""
    yield "task", "algorithm", "trajectories", "steps", "of the expert", "source"
    columns = ["task", "algorithm", "trajectories", "level", "env_steps", "source"]
    for _, row in read(folder / "published_interactions.csv", columns).iterrows():
        counts = ["" if pd.isna(x) else f"{x:g}" for x in (row["trajectories"], row["level"])]
        steps = _steps(row["env_steps"])
        yield _name(row["task"]), row["algorithm"], counts[0], steps, counts[1], row["source"]


def _queries(folder: Path) -> Iterator[Sequence[str]]:
    """What comes of so many expert actions, asked for or demonstrated."""
    table = interactive.queries_table(folder)
    algorithms = [name for name in interactive.LINES if name in set(table["algorithm"])]
    yield "task", "expert actions", *(interactive.LINES[name][0] for name in algorithms)
    scores = table.set_index(["task", "expert_actions", "algorithm"])["normalised"].unstack()
    for task in interactive.asked_tasks(folder):
        for count, row in scores.loc[task].iterrows():
            cells = ("" if pd.isna(row[name]) else f"{row[name]:.2f}" for name in algorithms)
            yield _name(task), f"{count:,}", *cells


def _horizons(folder: Path) -> Iterator[Sequence[str]]:
    """What Forward Training costs and scores against its time limit."""
    costs = "expert actions", "environment steps", "seconds"
    yield "task", "T", "seeds", *costs, "normalised"
    for _, row in interactive.horizons_table(folder).iterrows():
        counts = f"{row['horizon']:,}", str(row["seeds"]), f"{row['expert_queries']:,.0f}"
        cost = _steps(row["env_steps"]), f"{row['wall_seconds']:,.0f}"
        yield _name(row["task"]), *counts, *cost, f"{row['normalised']:.2f}"


def _restarts(folder: Path) -> Iterator[Sequence[str]]:
    """The learning rates of model and discriminator, falling once or restarted, on equal seeds."""
    yield "task", "learning rates", "every seed, normalised", "as sampled"
    for task in TASKS:
        seeds = set(_finals(folder, task, "mgail", variant=RESTARTS)["seed"])
        for variant, name in (("default", "fall linearly"), (RESTARTS, "cosine with restarts")):
            runs = (_finals(folder, task, "mgail", mode, variant) for mode in _MODES)
            each = (rows.loc[rows["seed"].isin(seeds), "normalised"] for rows in runs)
            if seeds:
                yield _name(task), name, *(" ".join(f"{x:.2f}" for x in scores) for scores in each)


def _practice(folder: Path) -> Iterator[Sequence[str]]:
    """The default settings on tasks outside the paper."""
    names = ["task", "algorithm", "num_trajectories", "seed", "env_steps", "mode", "normalised"]
    rows = read(folder / "practice.csv", [*names, "success_rate"])
    rows = rows[rows["mode"] == "deterministic"]
    algorithms = [name for name in ("bc", "gail", "mgail") if name in set(rows["algorithm"])]
    shown = [name.upper() for name in algorithms]
    successes = (f"{name}: success" for name in shown)
    yield "task", "shown", "seeds", "MGAIL's steps", *shown, *successes
    for (task, count), cell in rows.groupby(["task", "num_trajectories"]):
        of = {name: cell[cell["algorithm"] == name] for name in algorithms}
        counts = str(count), _seeds(of["mgail"]["seed"]), _steps(of["mgail"]["env_steps"].mean())
        scores = (_spread(each["normalised"]) for each in of.values())
        rates = (each["success_rate"].mean() for each in of.values())
        yield str(task), *counts, *scores, *("" if pd.isna(x) else f"{x:.0%}" for x in rates)


def _spread(scores: pd.Series) -> str:
    """Return the mean of scores with the lowest and the highest; nothing of none."""
    ends = f" ({scores.min():.2f} to {scores.max():.2f})" if len(scores) > 1 else ""
    return f"{scores.mean():.2f}{ends}" if len(scores) else ""


TABLES: dict[str, Callable[[Path], Iterator[Sequence[str]]]] = {
    "summary": _summary,
    "scores": _scores,
    "sizes": _sizes,
    "stability": _stability,
    "second-experts": _second_experts,
    "ablations": _ablation,
    "forward-models": _forward_models,
    "audit": _audit,
    "effects": _effects,
    "gradients": _gradients,
    "statistics": _statistics,
    "tests": _tests,
    "interactions": _interactions,
    "published": _published,
    "queries": _queries,
    "horizons": _horizons,
    "restarts": _restarts,
    "practice": _practice,
}
