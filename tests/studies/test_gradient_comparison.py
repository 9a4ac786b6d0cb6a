"""Both estimators aim at the same gradient, and are told apart by their spread."""

import csv
import dataclasses
import itertools

import compare_gradients
import numpy as np
import pytest
import tensorflow as tf
from numpy.polynomial.hermite_e import hermegauss

import mgail_tf as mg
from mgail_tf.studies import gradient_comparison
from tests import toys

TINY = mg.MGAILConfig(
    prefill_steps=300,
    updates_per_step=0.5,
    updates_per_call=10,
    horizon=5,
    policy_hidden=32,
    policy_batch=32,
    policy_learning_rate=3e-3,
    log_std=(-1.6, -1.6),
    bc_weight=0.0,
    policy_activation="relu",
    cloning_bound=None,
    clone_share=0.0,
    demonstrated_share=0.0,
    state_gradient_clip=None,
    model_units=32,
    model_learning_rate=1e-3,
    critic_activation="relu",
    sequence_length=2,
    discriminator_hidden=32,
    discriminator_learning_rate=1e-3,
    discriminator_batch=64,
    compile="graph",
)


@pytest.fixture(scope="module")
def agent():
    """A short training: actions are not at their bounds yet."""
    return mg.MGAIL(toys.linear(), toys.linear_demonstrations(), TINY).learn(500)


@pytest.mark.slow
@pytest.mark.parametrize(("horizon", "baseline"), [(1, True), (2, True), (2, False)])
def test_score_function_and_tape_have_the_same_mean(agent, horizon, baseline):
    """The mean over the noise is taken by Gauss-Hermite quadrature, so both must be equal."""
    both = gradient_comparison.Estimators(agent, horizon, 1)
    starts, _ = next(both.batches(1, np.random.default_rng(1)))
    nodes = list(zip(*hermegauss(20), strict=True))
    exact, score = tf.function(both.exact), tf.function(both.score)
    means = np.zeros(2)
    for steps in itertools.product(nodes, repeat=horizon):
        noise = tf.constant([[[x]] for x, _ in steps], tf.float32)
        weight = np.prod([w / np.sqrt(2 * np.pi) for _, w in steps])
        found = np.array([exact(starts, noise), score(starts, noise, baseline=baseline)])
        means = means + weight * found.T
    by_tape, by_score = means.T
    assert np.linalg.norm(by_tape) > 1e-3
    np.testing.assert_allclose(by_score, by_tape, atol=0.02 * np.abs(by_tape).max())


@pytest.mark.slow
def test_exact_gradient_spreads_less(agent):
    rows = {
        row["estimator"]: row
        for row in gradient_comparison.compare(agent, horizons=[3], sizes=[8], seed=0)
    }
    assert set(rows["exact"]) == set(gradient_comparison.COLUMNS)
    exact, score = rows["exact"], rows["score_function_with_baseline"]
    assert exact["cosine_mean"] > 0.8 > score["cosine_mean"]
    assert 10 * exact["relative_variance"] < score["relative_variance"]
    assert score["relative_variance"] <= rows["score_function"]["relative_variance"]


@pytest.mark.slow
def test_without_a_value_there_is_no_baseline(monkeypatch, eager):
    monkeypatch.setattr(gradient_comparison, "REFERENCE", 1)
    monkeypatch.setattr(gradient_comparison, "REPEATS", 1)
    config = dataclasses.replace(TINY, value_targets=None, predict_termination=False)
    agent = mg.MGAIL(toys.linear(), toys.linear_demonstrations(), config)
    next(agent.iterate(301))
    rows = gradient_comparison.compare(agent, [2], [4], 0)
    assert [row["estimator"] for row in rows] == ["exact", "score_function"]


def test_statistics_by_hand():
    found = np.array([[3.0, 4.0], [5.0, 0.0]])
    row = gradient_comparison.statistics(found, np.array([5.0, 0.0]))
    # cosines 0.6 and 1; squared distances to the reference 20 and 0, to their mean (4, 2) 5 and 5
    assert (row["cosine_mean"], row["cosine_std"]) == (0.8, 0.2)
    assert (row["relative_squared_error"], row["relative_variance"]) == (0.4, 0.2)


def test_discrete_actions_and_replay_are_refused():
    demos = toys.rolled_out("cartpole", toys.Random(mg.make("cartpole", 0).spec), 1)
    with pytest.raises(mg.BadInput, match="found discrete actions"):
        gradient_comparison.check(mg.MGAIL("cartpole", demos, TINY))
    replayed = dataclasses.replace(TINY, rollout="replay")
    with pytest.raises(mg.BadInput, match="rollout: found replay, expected imagine"):
        gradient_comparison.check(mg.MGAIL(toys.linear(), toys.linear_demonstrations(), replayed))


@pytest.mark.slow
def test_script_writes_a_row_for_every_estimator(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gradient_comparison, "REFERENCE", 8)
    monkeypatch.setattr(gradient_comparison, "REPEATS", 4)
    toys.rolled_out("ToyLinear-v0", toys.LinearExpert(), 2).save(tmp_path / "demos.npz")
    flags = ["--task=ToyLinear-v0", "--smoke", f"--demos={tmp_path}/demos.npz"]
    flags += ["--horizon=2", "--batch=4", f"--table={tmp_path}/g.csv"]
    assert compare_gradients.main(["", *flags]) == 0
    assert "score_function_with_baseline" in capsys.readouterr().out
    with (tmp_path / "g.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(gradient_comparison.TABLE)
    names = ["exact", "score_function", "score_function_with_baseline"]
    assert [row["estimator"] for row in rows] == names
    assert {(row["task"], row["env_steps"]) for row in rows} == {("ToyLinear-v0", "120")}
