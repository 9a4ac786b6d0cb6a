"""The README's tables say what the CSVs of results/ say, to the digits that they show."""

import csv
import itertools
import re
from pathlib import Path
from statistics import mean

import pytest

from mgail_tf.tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent
NUMBER = r"-?\d[\d,]*\.?\d*"
NAMES = {task.env_id.split("-")[0]: name for name, task in TASKS.items()}


def table(first: str) -> list[list[str]]:
    """Return the cells of the table whose header begins with these words, without its header."""
    lines = iter((ROOT / "README.md").read_text().splitlines())
    assert any(line.startswith(f"| {first} |") for line in lines), first  # reads up to it
    next(lines)
    below = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[c.strip().replace("**", "") for c in line.strip("|").split("|")] for line in below]


def rows(name: str, **wanted: str) -> list[dict[str, str]]:
    """Return the rows of results/`name` with these values."""
    with (ROOT / "results" / name).open() as file:
        return [r for r in csv.DictReader(file) if all(r[k] == v for k, v in wanted.items())]


def says(cell: str, *values: float) -> None:
    """Check that a cell shows these numbers and no others, each rounded as it is shown there."""
    shown = re.findall(NUMBER, cell)
    assert len(shown) == len(values), (cell, values)
    for text, value in zip(shown, values, strict=True):
        digits = len(text.partition(".")[2])
        assert float(text.replace(",", "")) == pytest.approx(value, abs=0.5001 * 10.0**-digits), (
            cell,
            values,
        )


def task_of(cell: str) -> str:
    """Return the task that a table's first cell names."""
    return NAMES[re.split(r"[ ,-]", cell)[0]]


def returns(found: list[dict[str, str]], column: str = "return_mean") -> list[float]:
    """Return a column of rows, by seed."""
    return [float(r[column]) for r in sorted(found, key=lambda r: r["seed"])]


def test_results():
    task, policies = "", []
    for first, _, policy, _, seeds, shown, normalised in table("task | demonstrations"):
        task = task_of(first) if first else task
        policies.append((task, policy))
        if policy.startswith("expert"):
            by_mode = [
                rows("experts.csv", task=task, mode=mode)[0]
                for mode in ("deterministic", "stochastic")
            ]
            both = "(" in shown  # the policy's mean action and its samples
            says(shown, *returns(by_mode)[: 1 + both])
            says(normalised, *returns(by_mode, "normalised")[: 1 + both])
            continue
        found = rows(
            "runs.csv",
            task=task,
            algorithm=policy.lower(),
            variant="default",
            mode="deterministic",
            num_trajectories=str(TASKS[task].num_trajectories),
        )
        low, _, high = seeds.partition("-")
        assert [r["seed"] for r in sorted(found, key=lambda r: r["seed"])] == [
            str(i) for i in range(int(low), int(high or low) + 1)
        ]
        every = returns(found)
        limits = (min(every), max(every)) if len(every) > 1 else ()
        if task == "cartpole" and policy == "MGAIL":
            shown = shown.replace("200 in every", "200 to 200 in every")
        says(shown, mean(every), *limits)
        says(normalised, mean(returns(found, "normalised")))
    kinds = ("expert, TRPO", "BC", "GAIL", "MGAIL")
    assert sorted(policies) == sorted((task, policy) for task in TASKS for policy in kinds)


def test_second_experts():
    for first, expert, _, shown, normalised in table("task | second expert, as sampled"):
        task = task_of(first)
        (reference,) = rows("other_experts/experts.csv", task=task, mode="stochastic")
        level, random = float(reference["return_mean"]), float(reference["random_return_mean"])
        says(expert.partition(" (")[0], level)
        variant = "steps_500000" if "500 k" in first else "default"
        wanted = {"task": task, "mode": "deterministic", "variant": variant}
        every = returns(rows("other_experts/runs.csv", **wanted))
        says(shown.replace(", ", " and "), *every)
        says(normalised.replace(", ", " and "), *((x - random) / (level - random) for x in every))


def test_ablations():
    for quoted, added, left_out in table("X | paper and X"):
        name = quoted.strip("`")
        for cell, variant in ((added, f"paper+{name}"), (left_out, f"default-{name}")):
            by_mode = [
                rows("ablations.csv", variant=variant, mode=mode)[0]
                for mode in ("deterministic", "stochastic")
            ]
            says(cell, *returns(by_mode, "normalised"))


def test_figure_5():
    for first, _, *cells in table("task | seeds | final: GRU"):
        models = [
            rows("figure5.csv", task=task_of(first), model=model)[0]
            for model in ("GRU and Hadamard product", "vanilla forward model")
        ]
        columns = ("normalised", "evaluation_mean")
        values = [float(row[column]) for column in columns for row in models]
        for cell, value in zip(cells, values, strict=True):
            says(cell, value)


def test_prose():
    text = " ".join((ROOT / "README.md").read_text().split())
    wanted = {"algorithm": "mgail", "variant": "default"}
    (seeds,) = re.findall(r"MountainCar misses it: its seeds get (.*?)\. Seed", text)
    final = rows("runs.csv", **wanted, task="mountaincar", mode="deterministic")
    says(seeds.replace(", ", " and "), *returns(final, "normalised"))
    (ranges,) = re.findall(r"they mostly score less \((.*?)\)", text)
    assert len(ranges.split(", ")) == 5
    for each in ranges.split(", "):
        sampled = rows("runs.csv", **wanted, task=task_of(each), mode="stochastic")
        every = returns(sampled, "normalised")
        says(each[len(task_of(each)) :], min(every), max(every))
    (stable,) = re.findall(r"are within 10 % of their best \((.*?)\)", text)
    cells = {r["task"]: r for r in rows("table1.csv", algorithm="mgail") if r["stable_seeds"]}
    told = {}
    for names, count in re.findall(r"([\w, ]+?) (\d)(?: of 5)?(?:, |$)", stable):
        told |= {task_of(name): int(count) for name in re.split(", | and ", names)}
    assert told == {task: float(row["stable_seeds"]) for task, row in cells.items()}
