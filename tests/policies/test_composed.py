"""Mixtures and policies by step: what they do, their files, and their SavedModels."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from mgail_tf.errors import BadInput
from mgail_tf.policies.composed import (
    MixturePolicy,
    NonstationaryPolicy,
    load_policy,
    stacked,
    unstacked,
)
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.policies.saved_model import SavedPolicy
from tests.policies.examples import SPECS, policy_of, some_states

PROBABILITIES = np.array([0.5, 0.3, 0.2])


def _members(kind):
    """Return three policies that differ in every array that is stacked."""
    first = policy_of(kind)
    return tuple(
        first._replace(
            weights=tuple((-1.0) ** i * w for w in first.weights),
            log_std=first.log_std - i,
            normaliser=first.normaliser._replace(mean=first.normaliser.mean + i),
        )
        for i in range(3)
    )


@pytest.fixture
def mixture(kind):
    return MixturePolicy(_members(kind), PROBABILITIES)


@pytest.fixture
def by_step(kind):
    return NonstationaryPolicy(_members(kind))


# -- what they do ----------------------------------------------------------------------------


def test_mixture_draws_its_members_by_their_probabilities(mixture, kind):
    state, count = some_states(kind)[0], 4000
    marks = tuple(
        m._replace(weights=(*m.weights[:-2], 0 * m.weights[-2], 0 * m.weights[-1] + 50.0 * mark))
        for m, mark in zip(
            [m._replace(output="linear") for m in mixture.members],
            np.eye(3)[:, : SPECS[kind].action_size],
            strict=True,
        )
    )
    rng = np.random.default_rng(0)
    drawn = [MixturePolicy(marks, PROBABILITIES).act(state, rng) for _ in range(count)]
    found = np.mean(np.stack(drawn) > 0.9 * (1 if SPECS[kind].discrete else 50), 0)
    expected = PROBABILITIES[: len(found)]
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / count))


def test_mixture_without_a_generator_does_what_all_of_it_does(mixture, kind):
    for state in some_states(kind, 20):
        heads = np.stack([m.head(state) for m in mixture.members])
        if SPECS[kind].discrete:
            best = (PROBABILITIES @ special.softmax(heads, -1)).argmax()
            expected = np.eye(3)[best]
        else:
            expected = PROBABILITIES @ heads
        np.testing.assert_allclose(mixture.act(state, None), expected, atol=1e-6)
        np.testing.assert_allclose(mixture.predict(state), SPECS[kind].apply(expected), atol=1e-5)


def test_policy_by_step_is_another_at_each_and_then_the_last(by_step):
    assert [by_step.at(step) for step in (0, 1, 2, 3, 99)] == [
        by_step.members[i] for i in (0, 1, 2, 2, 2)
    ]


# -- files -----------------------------------------------------------------------------------


def test_every_kind_comes_back_from_its_file(mixture, by_step, kind, tmp_path):
    state = some_states(kind)[0]
    for policy in (policy_of(kind), mixture, by_step):
        (tmp_path / "a.npz").unlink(missing_ok=True)
        policy.save(tmp_path / "a.npz")
        policy.save_whole(tmp_path / "b.npz")
        assert not [*tmp_path.glob(".*")]
        for name in ("a", "b"):
            loaded = load_policy(tmp_path / f"{name}.npz", SPECS[kind])
            assert type(loaded) is type(policy)
            for step in range(4):
                found, expected = (
                    (p.at(step) if hasattr(p, "at") else p).act(state, np.random.default_rng(step))
                    for p in (loaded, policy)
                )
                np.testing.assert_array_equal(found, expected)


def test_stacked_arrays_give_the_policies_back(kind):
    members = _members(kind)
    again = unstacked(stacked(members), SPECS[kind], "policies")
    state = some_states(kind)[0]
    for one, other in zip(again, members, strict=True):
        np.testing.assert_array_equal(one.head(state), other.head(state))
        np.testing.assert_array_equal(one.log_std, other.log_std)


def test_single_policy_is_not_read_out_of_several(mixture, kind, tmp_path):
    mixture.save(tmp_path / "policy.npz")
    with pytest.raises(BadInput, match=r"policy\.npz: kind: found mixture[^\n]*load_policy"):
        NumpyPolicy.load(tmp_path / "policy.npz", SPECS[kind])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "heap"}, "kind: found heap"),
        ({"probabilities": np.array([0.5, 0.5])}, "probabilities: "),
        ({"probabilities": np.array([0.5, 0.3, 0.3])}, "probabilities: "),
        ({"probabilities": np.array([1.5, -0.3, -0.2])}, "probabilities: "),
        ({"probabilities": np.array(["a", "b", "c"])}, "probabilities: "),
        ({"state_mean": np.zeros((2, 3))}, "members: "),
        ({"layer00": np.zeros((3, 5, 7), np.float32)}, "layer00: "),
        ({"env_id": "Third-v0"}, "env_id: "),
        ({"log_std": None}, "log_std"),
    ],
)
def test_parts_that_do_not_fit_are_refused_in_one_line(tmp_path, change, named):
    path = tmp_path / "policy.npz"
    arrays = {**MixturePolicy(_members("gaussian"), PROBABILITIES).arrays(), **change}
    np.savez(path, **{name: x for name, x in arrays.items() if x is not None})
    with pytest.raises(BadInput) as error:
        load_policy(path, SPECS["gaussian"])
    assert str(path) in str(error.value) and named in str(error.value)
    assert "\n" not in str(error.value)


# -- SavedModels -----------------------------------------------------------------------------


@pytest.mark.slow
def test_saved_mixture_does_what_the_mixture_does(mixture, kind, tmp_path):
    spec, states = SPECS[kind], some_states(kind, 50)
    mixture.export(tmp_path / "model", {"note": "mine"})
    loaded = SavedPolicy(tmp_path / "model", spec)
    for state in states:
        np.testing.assert_allclose(
            spec.apply(loaded.act(state, None)), spec.apply(mixture.act(state, None)), atol=1e-5
        )
    # as sampled: the mean and the spread of many are the mixture's
    model, many = tf.saved_model.load(str(tmp_path / "model")), 20_000
    rows, seed = tf.constant(np.tile(states[0], (many, 1))), tf.constant(3, tf.int64)
    drawn = model.signatures["sample"](states=rows, seed=seed)["actions"].numpy()
    rng = np.random.default_rng(0)
    expected = np.stack([spec.apply(mixture.act(states[0], rng)) for _ in range(4000)])
    if spec.discrete:
        drawn, expected = np.eye(3)[drawn], np.eye(3)[expected]
    np.testing.assert_allclose(drawn.mean(0), expected.mean(0), atol=0.1)
    np.testing.assert_allclose(drawn.std(0), expected.std(0), atol=0.1)


@pytest.mark.slow
def test_saved_policy_by_step_takes_the_step(by_step, kind, tmp_path):
    spec = SPECS[kind]
    by_step.export(tmp_path / "model")
    loaded = SavedPolicy(tmp_path / "model", spec)
    assert not hasattr(loaded.at(0), "at")
    for state in some_states(kind, 20):
        for step in (0, 1, 2, 7):
            found, expected = (p.at(step).act(state, None) for p in (loaded, by_step))
            np.testing.assert_allclose(spec.apply(found), spec.apply(expected), atol=1e-5)
    sampled = [loaded.at(step).act(state, np.random.default_rng(0)) for step in (0, 0, 1)]
    np.testing.assert_array_equal(sampled[0], sampled[1])
