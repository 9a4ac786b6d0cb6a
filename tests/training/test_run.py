"""The driver: when it evaluates, and that environments at the edges train with every algorithm."""

import functools
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.envs import gym_env
from mgail_tf.training import run
from tests import toys
from tests.test_api import CONFIGS


@pytest.mark.parametrize("budget", [10, 997, 12_347, 33_098])
def test_every_budget_has_ten_evaluations(monkeypatch, budget):
    score = SimpleNamespace(return_mean=1.0, length_mean=2.0)
    monkeypatch.setattr(run, "evaluate", lambda *_, **__: score)
    agent = SimpleNamespace(
        unit="env_steps",
        env="cartpole",
        policy=None,
        diagnostic_columns=("open_loop_1",),
        diagnose=lambda episodes: {"open_loop_1": 0.5},
    )
    evaluations = run._Evaluations(agent, budget)
    found = [evaluations.after(*pair) for pair in itertools.pairwise(range(budget + 1))]
    due = [columns for columns, _ in found if not math.isnan(columns["evaluation"])]
    assert due == [{"evaluation": 1.0, "open_loop_1": 0.5}] * 10
    assert not math.isnan(found[-1][0]["evaluation"])
    assert sum(steps for _, steps in found) == 10 * run.EVALUATION_EPISODES * 2.0


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", CONFIGS)
@pytest.mark.parametrize("task", ["ToyAtOnce-v0", "ToyEndless-v0"])
def test_episodes_that_end_at_once_or_never_train(tmp_path, monkeypatch, task, algorithm):
    """One has a single action; the other's second component has but one value."""
    monkeypatch.setattr(gym_env, "LONGEST_EPISODE", 80)  # users' are cut off later
    spec = mg.make(task, 0).spec
    shown = toys.rolled_out(task, toys.Random(spec), 1)
    length = 1 if task == "ToyAtOnce-v0" else 80
    assert tuple(shown.lengths) == (length,)
    given = (task,) if algorithm == "trpo" else (task, shown.for_spec(spec))
    agent = getattr(mg, algorithm.upper())(*given, CONFIGS[algorithm])
    total = () if algorithm == "bc" else (200,)
    agent.learn(*total, tmp_path / "run", episodes=1)
    rows = json.loads((tmp_path / "run" / "final.json").read_text())["rows"]
    assert [row["length_mean"] for row in rows] == [length] * 2
    assert all(np.isfinite(w).all() for w in agent.policy.weights)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["bc", "trpo"])
def test_a_training_without_a_folder_stops_at_numbers_that_are_not_finite(algorithm):
    if algorithm == "bc":
        config = mg.BCConfig(learning_rate=1e38, max_epochs=50)
        agent = mg.BC(toys.linear(), toys.linear_demonstrations(), config)
        learn = agent.learn
    else:
        config = mg.TRPOConfig(batch_steps=100, value_learning_rate=1e38, compile="graph")
        learn = functools.partial(mg.TRPO(toys.linear(), config).learn, 600)
    with pytest.raises(mg.Diverged):
        learn()
