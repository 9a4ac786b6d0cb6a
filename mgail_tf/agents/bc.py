"""Behavioural cloning: maximum likelihood on the pairs, stopped early on held-out ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np
import tensorflow as tf

from mgail_tf.checkpoint import Resumable
from mgail_tf.config.algorithms import BCConfig
from mgail_tf.config.tasks import settings_of, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.data.normaliser import fit
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.networks.minimise import minimise
from mgail_tf.networks.policy import cloning_loss, policy_for, to_numpy
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import run
from mgail_tf.types import Episode


class BC(Resumable):
    """A policy fitted to demonstrated pairs; it takes no environment step."""

    algorithm, unit, diagnostic_columns = "bc", "epoch", ()
    _plain = ("_epochs", "_best_epoch", "_best", "_best_weights")

    def __init__(
        self,
        env: EnvLike,
        demonstrations: Demonstrations,
        config: BCConfig | None = None,
        seed: int = 0,
    ):
        """Build the policy and split the pairs.

        Args:
            env: an environment, a function that makes one, the name of a task, or a Gymnasium id.
            demonstrations: of the expert; `Demonstrations.sample` says which pairs are learnt from.
            config: None: the settings of the task that the environment is, or the defaults.
            seed: fixes the initial weights, the split and the order of the minibatches.

        Raises:
            BadInput: the environment or the demonstrations will not do.
        """
        self.env, self.seed = env, seed
        self.spec = spec = make(env, seed).spec
        task = task_of(spec)
        self.config: BCConfig = settings_of("bc", task, config)
        self.demonstrations = fitting(demonstrations, spec)
        self.finished_policy: NumpyPolicy | None = None
        expert, config = self.demonstrations.pairs(spec), self.config
        self.normaliser = fit(expert.states, config.normaliser_floor, config.state_clip)
        seen = spec._replace(state_size=len(self.normaliser.mean))
        self.policy_network = policy_for(seen, config.hidden, config.activation, seed)
        self._rng = np.random.default_rng([seed, 3])
        self._optimiser = keras.optimizers.AdamW(config.learning_rate, config.weight_decay)
        self._optimiser.build(self.policy_network.trainable_variables)
        order = self._rng.permutation(len(expert.states))
        # at least one pair on each side, however few there are
        count = int(np.clip(round(config.train_fraction * len(order)), 1, max(1, len(order) - 1)))
        states = self.normaliser(expert.states)
        self._train = states[order[:count]], expert.actions[order[:count]]
        held = order[count:] if count < len(order) else order
        self._held_out = states[held], expert.actions[held]
        self._epochs, self._best_epoch, self._best = 0, 0, np.inf
        self._best_weights = self.policy_network.get_weights()

    @property
    def policy(self) -> NumpyPolicy:
        """The policy with the present weights; after training, the best ones."""
        return self.finished_policy or to_numpy(self.policy_network, self.normaliser, self.spec)

    def learn(self, run_dir: str | Path | None = None, **options: Unpack[run.Options]) -> "BC":
        """Train until the held-out loss stops falling; see `training.run.learn` for the arguments.

        Returns:
            The agent itself.
        """
        run.learn(self, self.config.max_epochs, run_dir, **options)
        return self

    def iterate(self, epochs: int | None = None) -> Iterator[tuple[int, dict[str, float]]]:
        """Train, and yield (epochs so far, metrics); at the end the best weights are put back.

        Args:
            epochs: at most so many in all; None: `max_epochs`.
        """
        most = self.config.max_epochs if epochs is None else epochs
        while self._goes_on(most):
            loss = self._pass()
            self._epochs += 1
            if loss < self._best:
                self._best, self._best_epoch = loss, self._epochs
                self._best_weights = self.policy_network.get_weights()
            if not self._goes_on(most):
                self.policy_network.set_weights(self._best_weights)
            yield self._epochs, {"held_out_loss": loss, "best_held_out_loss": self._best}

    def _goes_on(self, most: int) -> bool:
        """Return whether epochs are left and the last improvement is not too long ago."""
        return self._epochs < most and self._epochs - self._best_epoch < self.config.patience

    def _pass(self) -> float:
        """Pass over the training pairs in whole batches, drawn anew; return the held-out loss."""
        states, actions = self._train
        batch = min(self.config.batch_size, len(states))
        count = len(states) // batch
        rows = self._rng.permutation(len(states))[: count * batch].reshape(count, batch)
        return float(self._update(tf.constant(states[rows]), tf.constant(actions[rows])))

    @tf.function
    def _update(self, states, actions):
        """Take a step on every minibatch [K, B, ...]; return the held-out loss."""
        for k in tf.range(tf.shape(states)[0]):
            with tf.GradientTape() as tape:
                loss = cloning_loss(self.policy_network, states[k], actions[k])
            minimise(loss, tape, self.policy_network, self._optimiser)
        return cloning_loss(self.policy_network, *self._held_out)

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return nothing: there is no network beside the policy."""
        return {}

    def _parts(self) -> dict[str, Any]:
        return {"policy": self.policy_network, "optimiser": self._optimiser, "rng": self._rng}
