"""Behavioural cloning: maximum likelihood on the pairs, stopped early on held-out ones."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgail_tf import config as configs
from mgail_tf.actor import NumpyPolicy
from mgail_tf.checkpoint import Resumable
from mgail_tf.networks.policy import for_spec, to_numpy
from mgail_tf.normaliser import fit
from mgail_tf.objectives import cloning_loss
from mgail_tf.types import Pairs, Spec


class BC(Resumable):
    """A policy fitted to demonstrated pairs; it takes no environment step."""

    _plain = ("_epochs", "_best_epoch", "_best", "_stopped", "_best_weights")

    def __init__(self, spec: Spec, config: configs.BC, expert: Pairs, seed: int):
        """Build the policy and split the pairs; `seed` fixes both and the batch order."""
        self.config = config
        self.normaliser = fit(expert.states, config.normaliser_floor, config.state_clip)
        self.policy = for_spec(spec, config.hidden, config.activation, seed)
        self._rng = np.random.default_rng([seed, 3])
        self._optimiser = keras.optimizers.AdamW(config.learning_rate, config.weight_decay)
        self._optimiser.build(self.policy.trainable_variables)
        order = self._rng.permutation(len(expert.states))
        # at least one pair on each side, however few there are
        count = int(np.clip(round(config.train_fraction * len(order)), 1, max(1, len(order) - 1)))
        states = self.normaliser(expert.states)
        self._train = states[order[:count]], expert.actions[order[:count]]
        held = order[count:] if count < len(order) else order
        self._held_out = states[held], expert.actions[held]
        self._epochs, self._best_epoch, self._best, self._stopped = 0, 0, np.inf, False
        self._best_weights = self.policy.get_weights()

    def actor(self) -> NumpyPolicy:
        """Return the policy that acts, with the present weights."""
        return to_numpy(self.policy, self.normaliser)

    @tf.function
    def _epoch(self, states, actions):
        """Descend on every minibatch of [K, B, ...]; return the held-out loss."""
        variables = self.policy.trainable_variables
        for k in tf.range(tf.shape(states)[0]):
            with tf.GradientTape() as tape:
                loss = cloning_loss(self.policy, states[k], actions[k])
            self._optimiser.apply(tape.gradient(loss, variables), variables)
        return cloning_loss(self.policy, *self._held_out)

    def epoch(self) -> float:
        """Pass over the training pairs in whole batches, drawn anew; return the held-out loss."""
        states, actions = self._train
        batch = min(self.config.batch, len(states))
        count = len(states) // batch
        rows = self._rng.permutation(len(states))[: count * batch].reshape(count, batch)
        return float(self._epoch(tf.constant(states[rows]), tf.constant(actions[rows])))

    def train(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield (epochs so far, metrics); at the end the best held-out weights are put back."""
        config = self.config
        while not self._stopped:
            loss = self.epoch()
            self._epochs += 1
            if loss < self._best:
                self._best, self._best_epoch = loss, self._epochs
                self._best_weights = self.policy.get_weights()
            waited = self._epochs - self._best_epoch
            self._stopped = waited >= config.patience or self._epochs == config.max_epochs
            if self._stopped:
                self.policy.set_weights(self._best_weights)
            yield self._epochs, {"held_out_loss": loss, "best_held_out_loss": self._best}

    def _parts(self) -> dict[str, Any]:
        return {"policy": self.policy, "optimiser": self._optimiser, "rng": self._rng}
