"""GAIL (Ho & Ermon 2016): TRPO on the discriminator's judgement, the paper's baseline.

It reads no environment reward. Its reward is minus `policy_cost`, and the sign of that reward
decides what the end of an episode is worth, whoever the expert is:
"log_d" pays -log D, never negative: it is better to live on. Right where a task ends by failure.
"neg_log_expert" pays log(1 - D), never positive: it is better to end. Right where a task ends by
success, as MountainCar and Acrobot do.
"""

import operator
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np
import tensorflow as tf

from mgail_tf.agents.trpo.agent import TRPO, weight_norm
from mgail_tf.config.algorithms import Cost, GAILConfig
from mgail_tf.config.tasks import settings_of, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.data.normaliser import fit
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.networks.discriminator import Discriminator, discriminator_loss, policy_cost
from mgail_tf.networks.minimise import minimise
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import run
from mgail_tf.training.agent import Agent
from mgail_tf.types import Episode, StateActions


def judged_cost(demonstrations: Demonstrations) -> Cost:
    """Return the cost that fits how the demonstrations end, see the module."""
    return "neg_log_expert" if demonstrations.mostly_terminate else "log_d"


class GAIL(Agent):
    """Generative adversarial imitation: TRPO on a discriminator's reward (Ho & Ermon 2016)."""

    algorithm, unit = "gail", "env_steps"

    def __init__(
        self,
        env: EnvLike,
        demonstrations: Demonstrations,
        config: GAILConfig | None = None,
        seed: int = 0,
        workers: int = 1,
    ):
        """Build the networks.

        Args:
            env: an environment, a function that makes one, the name of a task, or a Gymnasium id.
            demonstrations: of the expert; `Demonstrations.sample` says which pairs are learnt from.
            config: None: the defaults.
            seed: fixes the initial weights, the environment and everything that is drawn.
            workers: processes that step `num_envs` environments; changes no result.

        Raises:
            BadInput: the environment or the demonstrations will not do.
        """
        self.env, self.seed = env, (seed := operator.index(seed))
        self.spec = spec = make(env, seed).spec
        task = task_of(spec)
        self.config: GAILConfig = settings_of("gail", task, config)
        self.demonstrations = fitting(demonstrations, spec)
        expert, config = self.demonstrations.pairs(spec), self.config
        self.normaliser = fit(expert.states, config.normaliser_floor, config.discriminator_clip)
        self.expert = StateActions(self.normaliser(expert.states), expert.actions)
        self.trpo = TRPO(env, config, seed, workers)
        seen = spec._replace(state_size=len(self.normaliser.mean))
        self.discriminator = Discriminator(seen, config.discriminator_hidden, "tanh", seed + 200)
        self._cost = config.cost or judged_cost(self.demonstrations)
        self._optimiser = keras.optimizers.Adam(config.discriminator_learning_rate)
        self._optimiser.build(self.discriminator.trainable_variables)
        jit_compile = config.compile == "xla"
        self._update_discriminator = tf.function(self._minibatches, jit_compile=jit_compile)
        self._rng = np.random.default_rng([seed, 2])

    @property
    def policy(self) -> NumpyPolicy:
        """The policy with the present weights, which acts and is scored."""
        return self.finished_policy or self.trpo.policy

    def learn(
        self,
        env_steps: int | None = None,
        run_dir: str | Path | None = None,
        **options: Unpack[run.Options],
    ) -> "GAIL":
        """Train for `env_steps` in all; see `training.run.learn` for the other arguments.

        Args:
            env_steps: the last batch is a whole one, so that up to one batch more is taken. None:
                the budget of the task that the environment is, or 2 million.

        Returns:
            The agent itself.
        """
        run.learn(self, env_steps, run_dir, **options)
        return self

    def iterate(self, env_steps: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Train, and yield (environment steps so far, metrics) after every update."""
        for episodes, left in self.trpo.batches(env_steps):
            metrics = self.update(episodes, left)
            yield self.trpo.env_steps, metrics | self.trpo.recent_means()

    def update(self, episodes: Sequence[Episode], left: float) -> dict[str, float]:
        """Update the discriminator on a batch that `policy` collected, then the policy.

        Args:
            left: fraction of the run that is left, for what is annealed.
        """
        config = self.config
        # Eq. 3: the discriminator
        parts = [
            StateActions(self.normaliser(e.states[:-1]), self.spec.scale_actions(e.actions))
            for e in episodes
        ]
        agent = StateActions(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        shape = (config.discriminator_steps, config.discriminator_batch, 1)
        mix = tf.constant(self._rng.random(shape, dtype=np.float32))
        metrics = self._update_discriminator(self._draw(agent), self._draw(self.expert), mix)
        # Eq. 4-5: the policy, by the score function on the discriminator's reward
        judged = [e._replace(rewards=self.rewards(p)) for e, p in zip(episodes, parts, strict=True)]
        surrogate = float(np.mean(np.concatenate([e.rewards for e in judged])))
        return {  # in the order of the updates: the first that is not finite is named
            **{name: float(value) for name, value in metrics.items()},
            "discriminator_weights": weight_norm(self.discriminator),
            "surrogate_reward": surrogate,
            **self.trpo.update(judged, left),
        }

    def rewards(self, pairs: StateActions) -> np.ndarray:
        """Return the discriminator's rewards [N] of standardised pairs."""
        return -np.asarray(policy_cost(self.discriminator(*pairs), self._cost), np.float64)

    def _minibatches(self, agent, expert, mix):
        """Take a step on each of K minibatches [K, B, ...]; return the last one's metrics."""
        config = self.config
        metrics = {"discriminator_loss": 0.0, "discriminator_accuracy": 0.0}
        for k in tf.range(mix.shape[0]):
            with tf.GradientTape() as tape:
                loss, metrics = discriminator_loss(
                    self.discriminator,
                    StateActions(*(column[k] for column in agent)),
                    StateActions(*(column[k] for column in expert)),
                    mix[k],
                    config.gradient_penalty,
                    config.gradient_slope,
                )
            minimise(loss, tape, self.discriminator, self._optimiser)
        return metrics

    def _draw(self, pairs: StateActions) -> StateActions:
        """Draw the pairs of all minibatches, [K, B, ...]."""
        shape = self.config.discriminator_steps, self.config.discriminator_batch
        rows = self._rng.integers(len(pairs.states), size=shape)
        return StateActions(tf.constant(pairs.states[rows]), tf.constant(pairs.actions[rows]))

    def _parts(self) -> dict[str, Any]:
        return {
            "trpo": self.trpo,
            "discriminator": self.discriminator,
            "optimiser": self._optimiser,
            "rng": self._rng,
        }
