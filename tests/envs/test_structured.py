"""Observations that are no flat array: flattened as Gymnasium does, in training and in policies."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from gymnasium.spaces.utils import flatten
from gymnasium.wrappers import TimeLimit

import mgail_tf as mg
from tests import toys
from tests.toys import Linear, Structured

SPACES = [
    Discrete(3, start=-1),
    MultiBinary((2, 2)),
    MultiDiscrete([2, 3], start=[1, -2]),
    Box(-1.0, 1.0, (2, 3), np.float64),
    Box(-5, 5, (4,), np.int32),
    Tuple((Discrete(2), Box(-1.0, 1.0, ()))),
    Dict(
        {"b": Box(0, 255, (3,), np.uint8), "a": Tuple((MultiBinary(2), Dict({"c": Discrete(4)})))}
    ),
    Dict({0: Box(-1.0, 1.0, (2,)), 1: Tuple((Discrete(2), Dict({7: MultiBinary(1)})))}),
]


class _Drawn(gymnasium.Env):
    """Draws observations of a space."""

    action_space = Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, seed=None, options=None):
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def _limited():
    return TimeLimit(Structured(), 50)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_states_are_what_gymnasium_makes_of_observations(space):
    env = mg.make(_Drawn(space), 0)
    state = env.reset()
    assert state.shape == (env.spec.state_size,) and state.dtype == np.float32
    for _ in range(20):
        observation = space.sample()
        expected = flatten(space, observation).astype(np.float32)
        np.testing.assert_array_equal(env.spec.flatten(observation), expected)
        np.testing.assert_array_equal(env.spec.flatten(expected), expected)  # it is flat already


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (Dict({"a": Text(5)}), "expected one made of Box"),
        (Tuple((Box(0, 255, (8, 8, 3), np.uint8),)), "pictures are not supported"),
        (Box(0.0, 1.0, (100, 100)), "10000 components, expected 1 to 4096"),
        (Dict({}), "0 components"),
    ],
    ids=str,
)
def test_spaces_that_cannot_be_states_are_refused(space, said):
    with pytest.raises(mg.BadInput, match=f"^_Drawn: observation space is .*{said}"):
        mg.make(_Drawn(space), 0)


@pytest.mark.parametrize(
    ("space", "hint"),
    [(MultiDiscrete([2, 3]), "TransformAction"), (Box(-1, 1, (2,), np.int32), "round them")],
    ids=str,
)
def test_actions_that_no_policy_gives_are_refused_with_a_way_around(space, hint):
    env = Linear()
    env.action_space = space
    with pytest.raises(mg.BadInput, match=hint):
        mg.make(env, 0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"side": 1}, "state.place: found no such entry"),
        ({"state": 3, "side": 1}, "state.place: found no such entry"),
        ({"state": {"place": [[0.0]], "speed": [0.0, 0.0]}, "side": 1}, "speed: found shape"),
        ({"state": {"place": [[0.0]], "speed": "fast"}, "side": 1}, "state.speed: found a str"),
        (
            {"state": {"place": [[0.0]], "speed": [0.0]}, "side": 3},
            r"side: found \[3.0\], expected",
        ),
        ({"state": {"place": [[0.0]], "speed": [0.0]}, "side": 1.5}, "side: found"),
    ],
    ids=str,
)
def test_observation_that_does_not_fit_names_the_entry(wrong, said):
    env = TimeLimit(Structured(), 50)
    env.unwrapped._observed = lambda state: wrong
    with pytest.raises(mg.BadInput, match=f"^Structured: state: .*{said}"):
        mg.make(env, 0).reset()


@pytest.mark.slow
def test_structured_environment_is_imitated_and_its_policy_takes_its_observations(tmp_path):
    spec = mg.make(_limited(), 0).spec
    places = {leaf.name: leaf for leaf in spec.leaves}
    assert list(places) == ["side", "state.place", "state.speed"]
    assert (spec.state_size, spec.action_shape) == (4, (1, 1))

    class Linearly:
        """The linear expert, who sees place and speed."""

        def act(self, state, rng):
            return toys.LinearExpert().act(state[2:], rng)

    demos = toys.rolled_out(_limited(), Linearly(), 3)
    agent = mg.BC(_limited(), demos, mg.BCConfig(max_epochs=200)).learn()
    score = mg.evaluate(agent.policy, _limited(), episodes=5)
    chance = mg.evaluate(toys.Random(spec), _limited(), episodes=5, mode="stochastic")
    assert score.return_mean > 0.5 * chance.return_mean  # both are negative
    assert 0.0 <= score.success_rate <= 1.0 and "success in" in str(score)

    observation, _ = _limited().reset(seed=3)
    action = agent.policy.predict(observation)
    assert action.shape == (1, 1)
    flat = spec.flatten(observation)
    np.testing.assert_array_equal(agent.policy.predict(flat), action)

    agent.policy.export(tmp_path / "model")
    import tensorflow as tf

    model = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(model.act(flat[None])["actions"][0], action, atol=1e-6)
    parts = {
        "side": np.array([observation["side"]]),
        "state.place": observation["state"]["place"][None].astype(np.float32),
        "state.speed": observation["state"]["speed"][None],
    }
    np.testing.assert_allclose(model.act_on(parts)["actions"][0], action, atol=1e-6)
