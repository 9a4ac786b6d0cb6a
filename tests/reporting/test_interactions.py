"""Steps until the expert is reached, of made-up learning curves."""

import pandas as pd
import pytest

from mgail_tf.policies.experts import results_folder
from mgail_tf.reporting.interactions import interactions
from tests.reporting.runs import result_row

RUN = {"algorithm": "mgail", "evaluation_steps": 100}


@pytest.fixture
def made(tmp_path):
    """Return the rows of Hopper, whose expert earns 1,000 and random actions 0."""

    def make(*ways):
        for name in ("experts.csv", "published_interactions.csv"):
            table = pd.read_csv(results_folder() / name)
            if name == "experts.csv":
                table[["return_mean", "random_return_mean"]] = [1000.0, 0.0]
            table.to_csv(tmp_path / name, index=False)
        runs = [result_row(seed=seed, **RUN) for seed in range(len(ways))]
        points = [
            {**run, "env_steps": 10 * (k + 1), "evaluation": value}
            for run, way in zip(runs, ways, strict=True)
            for k, value in enumerate(way)
        ]
        pd.DataFrame(runs).to_csv(tmp_path / "runs.csv", index=False)
        pd.DataFrame(points).to_csv(tmp_path / "curves.csv", index=False)
        rows = [row for row in interactions(tmp_path) if row["source"] == "here"]
        assert {row["task"] for row in rows} == {"hopper"}
        return {row["level"]: row for row in rows}

    return make


def test_the_first_evaluation_at_a_level_counts(made):
    rows = made([0, 600, 100, 960], [500, 0, 920, 0], [0, 0, 0, 800])
    half = rows["0.5"]
    assert (half["seeds"], half["reached"]) == ("3", "3")
    assert (half["env_steps"], half["env_steps_lowest"], half["env_steps_highest"]) == (
        *("20", "10", "40"),
    )
    assert half["evaluation_steps"] == "50"  # two of four evaluations of 100 steps
    most = rows["0.9"]  # two of three get there
    assert (most["reached"], most["env_steps"], most["env_steps_highest"]) == ("2", "40", "")
    few = rows["0.95"]  # one of three
    assert (few["reached"], few["env_steps"], few["evaluation_steps"]) == ("1", "", "")


def test_published_rows_follow(tmp_path, made):
    made([0, 1000])
    rows = interactions(tmp_path)
    published = pd.read_csv(results_folder() / "published_interactions.csv")
    assert [row["source"] for row in rows[3:]] == published["source"].tolist()
    gail = next(row for row in rows if row["algorithm"] == "GAIL" and row["task"] == "humanoid")
    assert (gail["env_steps"], gail["level"]) == ("75000000", "")
