"""Units are the user's business: multiplying or shifting a component changes nothing learnt."""

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TransformObservation

import mgail_tf as mg
from tests import toys

pytestmark = pytest.mark.slow

CONFIGS = {
    "bc": mg.BCConfig(max_epochs=200),
    "gail": mg.GAILConfig(
        batch_steps=500,
        max_kl=0.1,
        anneal_kl=False,
        discriminator_learning_rate=2e-3,
        compile="graph",
    ),
    "mgail": mg.MGAILConfig(
        prefill_steps=300, updates_per_step=0.5, horizon=4, policy_batch=32, compile="graph"
    ),
}
STEPS = {"bc": (), "gail": (6000,), "mgail": (900,)}


def _transformed(units, shift):
    """Return (environment, demonstrations, transformation) of the linear task in other units."""

    def transform(states):
        return (np.asarray(states, np.float64) * units + shift).astype(np.float32)

    env = TransformObservation(
        toys.linear(), transform, gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    )
    plain = toys.linear_demonstrations()
    ends = np.cumsum(plain.lengths + 1)[:-1]
    shown = mg.Demonstrations.from_arrays(
        [transform(s) for s in np.split(plain.states, ends)],
        np.split(plain.actions, np.cumsum(plain.lengths)[:-1]),
        terminated=plain.terminated,
    )
    return env, shown, transform


def _actions(algorithm, units, shift):
    """Return the trained policy's mean actions in states of the linear task."""
    env, shown, transform = _transformed(np.array(units), np.array(shift))
    agent = getattr(mg, algorithm.upper())(env, shown, CONFIGS[algorithm])
    agent.learn(*STEPS[algorithm])
    states = np.random.default_rng(1).uniform(-1, 1, (500, 2))
    return agent.policy.head(transform(states))


@pytest.fixture(scope="module", params=CONFIGS)
def plain(request):
    actions = _actions(request.param, (1.0, 1.0), (0.0, 0.0))
    assert actions.std() > 0.1  # it has learnt something that units could spoil
    return request.param, actions


@pytest.mark.parametrize(
    ("units", "shift"),
    [
        ((1e-6, 1e6), (0.0, 0.0)),
        ((1.0, 1e-6), (0.0, 1e-2)),  # ten thousand standard deviations away
    ],
)
def test_units_and_offsets_change_what_is_learnt_by_rounding_only(plain, units, shift):
    algorithm, actions = plain
    found = _actions(algorithm, units, shift)
    assert np.sqrt(np.mean(np.square(found - actions))) < 0.05
