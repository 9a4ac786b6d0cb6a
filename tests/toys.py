"""A linear environment with a linear expert, and other small environments for tests."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Sequence
from gymnasium.wrappers import TimeLimit

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.envs.rollout import Collector
from mgail_tf.types import Spec

A = np.array([[1.0, 0.1], [0.0, 1.0]])
B = np.array([[0.0], [0.3]])
GAIN = np.array([[-0.6, -0.9]])  # expert: a = GAIN s, stabilises A + B GAIN


class Linear(gymnasium.Env):
    """s' = A s + B a + noise from a random start; reward -|s|^2; 50 steps."""

    observation_space = Box(-np.inf, np.inf, (2,))
    action_space = Box(-2.0, 2.0, (1,))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._state = self.np_random.uniform(-1.5, 1.5, 2)
        return self._state.astype(np.float32), {}

    def step(self, action):
        noise = self.np_random.normal(0.0, 0.25, 2)
        self._state = A @ self._state + B @ np.asarray(action, np.float64) + noise
        reward = -float(self._state @ self._state)
        return self._state.astype(np.float32), reward, False, False, {}


class Structured(Linear):
    """The linear environment, its state a dictionary and its action a matrix.

    Beside the state there is a discrete entry that tells the sign of its first component. A step
    succeeds where the state is near zero.
    """

    observation_space = Dict(
        {
            "state": Dict({"place": Box(-np.inf, np.inf, (1, 1)), "speed": Box(-9.0, 9.0, (1,))}),
            "side": Discrete(2, start=1),
        }
    )
    action_space = Box(-2.0, 2.0, (1, 1))

    @staticmethod
    def _observed(state):
        place, speed = state
        return {
            "state": {"place": np.array([[place]]), "speed": np.array([speed], np.float32)},
            "side": np.int64(2 if place > 0.0 else 1),
        }

    def reset(self, seed=None, options=None):
        state, info = super().reset(seed, options)
        return self._observed(state), info

    def step(self, action):
        assert action.shape == (1, 1)
        state, reward, *ends, _ = super().step(action[0])
        return self._observed(state), reward, *ends, {"is_success": reward > -0.5}


class SequenceStates(Linear):
    """An observation space that is refused."""

    observation_space = Sequence(Box(-1.0, 1.0, (2,)))


class ImageStates(Linear):
    """Another one."""

    observation_space = Box(0, 255, (8, 8, 3), np.uint8)


class Returns(Linear):
    """Returns the same state and reward at every step, whatever is wrong with them."""

    def __init__(self, state, reward):
        self._returned = np.array(state, np.float32), reward

    def step(self, action):
        return *self._returned, False, False, {}


class Tightrope(gymnasium.Env):
    """Tells which way to step; a wrong step falls off, and every step down there costs 1.

    The state is (whether one is down, a cue). On the rope action 0 or 1 is right, as the sign of
    the cue says, but for a narrow band of cues that takes the other one, which nobody clones. Down
    there action 2 climbs back, which an expert who never falls does not show.
    """

    observation_space = Box(-1.0, 1.0, (2,))
    action_space = Discrete(3)

    def _state(self):
        return np.array([self._down, self.np_random.uniform(-1.0, 1.0)], np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._down = 0.0
        self._seen = self._state()
        return self._seen, {}

    def step(self, action):
        right = action == tightrope_expert(self._seen[None])[0]
        self._down = float(not right)
        self._seen = self._state()
        return self._seen, -self._down, False, False, {}


class AtOnce(gymnasium.Env):
    """One discrete action counted from 1; every episode ends at its first step."""

    observation_space = Box(-1.0, 1.0, (3,))
    action_space = Discrete(1, start=1)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        assert action == 1
        return np.ones(3, np.float32), 1.0, True, False, {}


class Endless(Linear):
    """Never ends, and sets no time limit; its second action component has but one value."""

    action_space = Box(np.array([-2.0, 0.5], np.float32), np.array([2.0, 0.5], np.float32))

    def step(self, action):
        assert action[1] == 0.5
        return super().step(action[:1])


class Raises(Linear):
    """Fails at its first step."""

    def step(self, action):
        return 1 // 0


class NoReset(Linear):
    """Fails at its reset."""

    def reset(self, seed=None, options=None):
        raise RuntimeError("no licence\nfor this machine")


class Unmade(Linear):
    """Fails when it is made."""

    def __init__(self):
        raise OSError("no model file")


class Uncopied(Linear):
    """Cannot be copied, as what holds a simulator cannot."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


class Drawn(gymnasium.Env):
    """Standard normal states whatever is done; the task ends after five steps."""

    def __init__(self, spec: Spec):
        self.observation_space = Box(-np.inf, np.inf, (spec.state_size,))
        box = Box(spec.action_low, spec.action_high)
        self.action_space = Discrete(spec.action_size) if spec.discrete else box

    def _state(self):
        return self.np_random.normal(size=self.observation_space.shape).astype(np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return self._state(), {}

    def step(self, action):
        self._steps += 1
        return self._state(), 0.0, self._steps == 5, False, {}


def register() -> None:
    """Make the toys known to gymnasium, once."""
    for name, toy, options in (
        ("ToyLinear-v0", Linear, {}),
        ("ToySequence-v0", SequenceStates, {}),
        ("ToyImage-v0", ImageStates, {}),
        ("ToyAtOnce-v0", AtOnce, {}),
        ("ToyRaises-v0", Raises, {}),
        ("ToyNoReset-v0", NoReset, {}),
        ("ToyUnmade-v0", Unmade, {}),
        ("ToyBlind-v0", Returns, {"state": [np.nan, np.nan], "reward": 0.0}),
        ("ToyGrows-v0", Returns, {"state": [0.0, 0.0, 0.0], "reward": 0.0}),
        ("ToyRich-v0", Returns, {"state": [0.0, 0.0], "reward": np.inf}),
    ):
        if name not in gymnasium.registry:
            gymnasium.register(name, toy, max_episode_steps=50, kwargs=options)
    if "ToyEndless-v0" not in gymnasium.registry:
        gymnasium.register("ToyEndless-v0", Endless)


def expert_action(states: np.ndarray) -> np.ndarray:
    """Return the linear expert's actions [..., 1] in environment units."""
    return np.clip(states @ GAIN.T, -2.0, 2.0)


def tightrope_expert(states: np.ndarray) -> np.ndarray:
    """Return the right actions [N] on the tightrope for states [N, 2]."""
    down, cue = states.T
    band = (cue > 0.45) & (cue < 0.5)
    return np.where(down > 0.5, 2, ((cue > 0.0) ^ band).astype(np.int64))


class LinearExpert:
    """The linear expert as a policy, with Gaussian noise of 0.2 in [-1, 1] units."""

    def act(self, state, rng):
        noise = 0.0 if rng is None else 0.2 * rng.standard_normal(1)
        return (expert_action(state) / 2.0 + noise).astype(np.float32)


def action_error(policy) -> float:
    """Return the root mean square distance of a policy's actions to the linear expert's."""
    states = np.random.default_rng(1).uniform(-1, 1, (500, 2)).astype(np.float32)
    taken = 2.0 * np.clip(policy.head(states), -1, 1)
    return float(np.sqrt(np.mean((taken - expert_action(states)) ** 2)))


class Random:
    """A policy that draws normal actions, or uniform discrete ones, whatever the state."""

    def __init__(self, spec: Spec):
        self._spec = spec

    def act(self, state, rng):
        drawn = rng.normal(size=self._spec.action_size).astype(np.float32)
        if not self._spec.discrete:
            return drawn
        return np.eye(len(drawn), dtype=np.float32)[drawn.argmax()]


def linear() -> gymnasium.Env:
    """Return the linear environment as a user would hold it: an object, not registered."""
    return TimeLimit(Linear(), 50)


def rolled_out(env: EnvLike, policy, episodes: int) -> Demonstrations:
    """Return demonstrations of a policy that acts as sampled."""
    collector = Collector(make(env, 0), np.random.default_rng(0))
    parts = [collector.run_episode(policy, stochastic=True) for _ in range(episodes)]
    return Demonstrations.from_episodes(collector.env.spec, parts)


def linear_demonstrations() -> Demonstrations:
    """Return all 250 pairs of five linear expert episodes, for `linear()`."""
    return rolled_out(linear(), LinearExpert(), 5)
