"""TRPO with GAE (Schulman et al. 2015, 2016) on the environment's reward: trains the experts.

GAIL runs `update` of the same class on the discriminator's reward.
"""

import operator
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import tensorflow as tf

from mgail_tf.agents.trpo.returns import discounted_sums, gae
from mgail_tf.agents.trpo.trust_region import TrustRegion
from mgail_tf.config.algorithms import TRPOConfig
from mgail_tf.config.tasks import settings_of, task_of
from mgail_tf.data.normaliser import RunningMoments
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.envs.parallel import Collectors
from mgail_tf.networks.policy import policy_for, to_numpy
from mgail_tf.networks.value import Value, ValueFit
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import run
from mgail_tf.training.agent import Agent
from mgail_tf.types import Episode


class TRPO(Agent):
    """Trust region policy optimisation with GAE (Schulman et al. 2015, 2016)."""

    algorithm, unit = "trpo", "env_steps"

    def __init__(
        self, env: EnvLike, config: TRPOConfig | None = None, seed: int = 0, workers: int = 1
    ):
        """Build the networks.

        Args:
            env: an environment, a function that makes one, the name of a task, or a Gymnasium id.
            config: None: those of the committed expert of the task that the environment is, or the
                defaults.
            seed: fixes the initial weights, the environment and everything that is drawn.
            workers: processes that step `num_envs` environments; changes no result.

        Raises:
            BadInput: the environment will not do.
        """
        self.env, self.seed, self.demonstrations = env, (seed := operator.index(seed)), None
        self.spec = spec = make(env, seed).spec
        task = task_of(spec)
        self.config: TRPOConfig = settings_of("trpo", task, config)
        config = self.config
        self.policy_network = policy_for(
            spec,
            config.hidden,
            config.activation,
            seed,
            log_std=config.initial_log_std,
            output=config.output,
            output_scale=config.output_scale,
        )
        self.value = Value(spec.state_size, config.hidden, config.activation, seed + 100)
        jit_compile = config.compile == "xla"
        self._value_fit = ValueFit(self.value, config.value_learning_rate, jit_compile)
        self._region = TrustRegion(
            self.policy_network, config.cg_iterations, config.cg_damping, config.line_search_steps
        )
        self._rng = np.random.default_rng(seed)
        self._states = RunningMoments(spec.state_size)
        self._returns = RunningMoments(1)
        self._collectors = Collectors(env, seed, config.num_envs, workers)

    @property
    def policy(self) -> NumpyPolicy:
        """The policy with the present weights, which acts and is scored."""
        normaliser = self._states.normaliser(self.config.state_clip)
        return self.finished_policy or to_numpy(self.policy_network, normaliser, self.spec)

    def learn(
        self,
        env_steps: int | None = None,
        run_dir: str | Path | None = None,
        **options: Unpack[run.Options],
    ) -> "TRPO":
        """Train for `env_steps` in all; see `training.run.learn` for the other arguments.

        Args:
            env_steps: the last batch is a whole one, so that up to one batch more is taken. None:
                the budget of the task that the environment is, or 4 million.

        Returns:
            The agent itself.
        """
        run.learn(self, env_steps, run_dir, **options)
        return self

    def iterate(self, env_steps: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Train, and yield (environment steps so far, metrics) after every update."""
        for episodes, left in self.batches(env_steps):
            metrics = self.update(episodes, left)
            yield self._collectors.env_steps, metrics | self.recent_means()

    def batches(self, env_steps: int) -> Iterator[tuple[list[Episode], float]]:
        """Collect batches up to a budget; yield (episodes, fraction of the run that is left)."""
        config, collectors = self.config, self._collectors
        if not collectors.env_steps:
            # the first batch only sets the normaliser: a step taken without one is wasted
            self._observe(collectors.collect(self.policy, config.batch_steps[0]))
        while collectors.env_steps < env_steps:
            left = 1.0 - collectors.env_steps / env_steps
            batch = config.batch_steps[int((1.0 - left) * len(config.batch_steps))]
            collectors.finished.clear()
            yield collectors.collect(self.policy, batch), left

    def recent_means(self) -> dict[str, float]:
        """Return the mean return and length of the last batch's episodes; NaN where none ended."""
        means = np.mean(self._collectors.finished or [(np.nan, np.nan)], 0)
        return {"return": float(means[0]), "length": float(means[1])}

    @property
    def env_steps(self) -> int:
        """Environment steps taken so far."""
        return self._collectors.env_steps

    def update(self, episodes: Sequence[Episode], left: float) -> dict[str, float]:
        """Take one natural step on the rewards of a batch that `policy` collected.

        Args:
            left: fraction of the run that is left, for what is annealed.
        """
        config = self.config
        # the rewards, divided so that values are of order one
        for episode in episodes:
            sums = discounted_sums(episode.rewards, config.gamma)
            self._returns.add(sums[:, None])
        scale = float(self._returns.normaliser(1.0).std[0])
        # advantages by GAE (Schulman et al. 2016, Eq. 16), standardised over the batch
        states, samples, advantages, targets = self._advantages(episodes, scale)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        # the policy: the natural step within the trust region (Eq. 4-5 of the paper for GAIL)
        max_kl = config.max_kl * (0.1 + 0.9 * left if config.anneal_kl else 1.0)
        metrics = self._region.step(
            states, samples, advantages, np.float32(max_kl), np.float32(config.entropy_weight)
        )
        if not self.policy_network.discrete:
            cap = config.final_log_std + left * (config.initial_log_std - config.final_log_std)
            self.policy_network.log_std.assign(
                np.clip(self.policy_network.log_std, config.min_log_std, cap)
            )
        # the value: least squares on the advantages' targets
        loss = self._value_fit.fit(
            states, targets, config.value_epochs, config.value_batch, self._rng
        )
        self._observe(episodes)
        return {  # in the order of the updates: the first that is not finite is named
            **{k: float(v) for k, v in metrics.items()},
            "policy_weights": weight_norm(self.policy_network),
            "value_loss": loss,
            "value_weights": weight_norm(self.value),
        }

    def _observe(self, episodes: Sequence[Episode]) -> None:
        """Take states into the running statistics that standardise them."""
        self._states.add(np.concatenate([e.states[:-1] for e in episodes]))

    def _advantages(self, episodes: Sequence[Episode], scale: float) -> tuple[np.ndarray, ...]:
        """Return states [N, S], samples [N, A], advantages [N] and value targets [N]."""
        normaliser, config = self.policy.normaliser, self.config
        states = [normaliser(e.states) for e in episodes]
        values = np.split(
            np.asarray(self.value(np.concatenate(states)), np.float64),
            np.cumsum([len(s) for s in states])[:-1],
        )
        advantages = []
        for episode, v in zip(episodes, values, strict=True):
            if episode.terminated:
                v[-1] = 0.0  # a cut episode is bootstrapped, a terminated one is worth nothing more
            advantages.append(gae(episode.rewards / scale, v, config.gamma, config.gae_lambda))
        targets = np.concatenate([a + v[:-1] for a, v in zip(advantages, values, strict=True)])
        return (
            np.concatenate([s[:-1] for s in states]),
            np.concatenate([e.samples for e in episodes]),
            np.concatenate(advantages).astype(np.float32),
            targets.astype(np.float32),
        )

    def _parts(self) -> dict[str, Any]:
        return {
            "policy": self.policy_network,
            "value": self.value,
            "value_optimiser": self._value_fit.optimiser,
            "states": self._states,
            "returns": self._returns,
            "rng": self._rng,
            "collectors": self._collectors,
        }


def weight_norm(network: Any) -> float:
    """Return the norm of a network's weights: not finite once an update has spoilt them."""
    return float(tf.linalg.global_norm(network.trainable_variables))
