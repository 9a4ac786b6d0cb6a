"""Both estimators aim at the same gradient, and are told apart by their spread."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy.polynomial.hermite_e import hermegauss

from launch import compare_gradients
from mgail_tf import experts, gradients
from mgail_tf.agents import mgail
from mgail_tf.demos import Demonstrations
from mgail_tf.envs import make
from mgail_tf.rollout import Collector
from mgail_tf.types import BadInput, Pairs
from tests import toys
from tests.test_agents import TINY


@pytest.fixture(scope="module")
def training():
    collector = Collector(make("ToyLinear-v0", 0), np.random.default_rng(0))
    episodes = tuple(collector.run_episode(toys.LinearExpert(), True) for _ in range(5))
    pairs = Demonstrations("ToyLinear-v0", episodes, "").subsample(1, 0, collector.env.spec)
    short = dataclasses.replace(
        TINY, env_steps=500, block=10
    )  # actions are not at their bounds yet
    trained = mgail.train("ToyLinear-v0", pairs, short, 0)
    assert [steps for steps, _, _ in trained][-1] == 500
    return trained


@pytest.mark.parametrize(("horizon", "baseline"), [(1, True), (2, True), (2, False)])
def test_score_function_and_tape_have_the_same_mean(training, horizon, baseline):
    """The mean over the noise is taken by Gauss-Hermite quadrature, so both must be equal."""
    both = gradients.Estimators(training, horizon, 1)
    (*start, _), nodes = next(both.batches(1, np.random.default_rng(1))), hermegauss(20)
    exact, score = tf.function(both.exact), tf.function(both.score)
    means = np.zeros(2)
    for steps in itertools.product(list(zip(*nodes, strict=True)), repeat=horizon):
        noise = tf.constant([[[x]] for x, _ in steps], tf.float32)
        weight = np.prod([w / np.sqrt(2 * np.pi) for _, w in steps])
        found = np.array([exact(*start, noise), score(*start, noise, baseline=baseline)])
        means = means + weight * found.T
    by_tape, by_score = means.T
    assert np.linalg.norm(by_tape) > 1e-3
    np.testing.assert_allclose(by_score, by_tape, atol=0.02 * np.abs(by_tape).max())


def test_exact_gradient_spreads_less(training):
    rows = {
        row["estimator"]: row
        for row in gradients.compare(training, horizons=[3], sizes=[8], seed=0)
    }
    assert set(rows["exact"]) == set(gradients.COLUMNS)
    exact, score = rows["exact"], rows["score_function_with_baseline"]
    assert exact["cosine_mean"] > 0.8 > score["cosine_mean"]
    assert 10 * exact["relative_variance"] < score["relative_variance"]
    assert score["relative_variance"] <= rows["score_function"]["relative_variance"]


def test_statistics_by_hand():
    found = np.array([[3.0, 4.0], [5.0, 0.0]])
    row = gradients._statistics(found, np.array([5.0, 0.0]))
    # cosines 0.6 and 1; squared distances to the reference 20 and 0, to their mean (4, 2) 5 and 5
    assert (row["cosine_mean"], row["cosine_std"]) == (0.8, 0.2)
    assert (row["relative_squared_error"], row["relative_variance"]) == (0.4, 0.2)


def test_discrete_actions_are_refused():
    pairs = Pairs(np.zeros((5, 4), np.float32), np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0]])
    with pytest.raises(BadInput, match="found discrete actions"):
        gradients.check(mgail.train("cartpole", pairs, TINY, 0).learner.spec, TINY)


def test_replay_is_refused(continuous):
    with pytest.raises(BadInput, match="rollout=replay: found replay, expected imagine"):
        gradients.check(continuous, dataclasses.replace(TINY, rollout="replay"))


def test_script_writes_a_row_for_every_estimator(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gradients, "REFERENCE", 8)
    monkeypatch.setattr(gradients, "REPEATS", 4)
    npz = tmp_path / "demos.npz"
    experts.collect(toys.LinearExpert(), "ToyLinear-v0", 2, 0, True, npz)
    flags = ["--task=ToyLinear-v0", "--smoke", f"--demos={npz}", f"--results={tmp_path}/g.csv"]
    assert compare_gradients.main(["", *flags, "--horizon=2", "--batch=4"]) == 0
    assert len((tmp_path / "g.csv").read_text().splitlines()) == 4
    assert "score_function_with_baseline" in capsys.readouterr().out
