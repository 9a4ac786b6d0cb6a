"""Maximum likelihood on pairs, stopped early on held-out ones: what cloning is made of."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from mgail_tf.checkpoint import Resumable
from mgail_tf.config.algorithms import BCConfig
from mgail_tf.data.normaliser import fit
from mgail_tf.networks.minimise import minimise
from mgail_tf.networks.policy import (
    Policy,
    cloning_error,
    cloning_loss,
    policy_for,
    to_numpy,
)
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.types import Spec, StateActions

MOST_STEPS = 30_000  # minibatches of a policy whose error is all that is asked for


class PolicyFit(Resumable):
    """A policy network that is fitted to pairs.

    Attributes:
        network: the Keras policy.
        train, held_out: the pairs that are learnt from, and those that stop the training.
        epochs: passes over the pairs so far.
        best: the lowest held-out loss so far.
    """

    _plain = ("epochs", "best", "_best_epoch", "_best_weights")

    def __init__(self, seen: Spec, config: BCConfig, seed: int):
        """Build the network.

        Args:
            seen: of the environment, with as many state components as the network sees.
            seed: fixes the initial weights.
        """
        self._config = config
        self.network = policy_for(seen, config.hidden, config.activation, seed)
        self._optimiser = keras.optimizers.AdamW(config.learning_rate, config.weight_decay)
        self._optimiser.build(self.network.trainable_variables)
        self._initial = [np.array(v) for v in (*self.network.weights, *self._optimiser.variables)]

    def begin(self, pairs: StateActions, rng: np.random.Generator) -> None:
        """Go back to the initial weights, and split other pairs.

        Args:
            pairs: standardised states [N, s] and actions [N, A] in [-1, 1] units or one-hot.
            rng: draws the split and the minibatches.
        """
        variables = (*self.network.weights, *self._optimiser.variables)
        for variable, value in zip(variables, self._initial, strict=True):
            variable.assign(value)
        self._rng = rng
        order = rng.permutation(len(pairs.states))
        # at least one pair on each side, however few there are
        share = round(self._config.train_fraction * len(order))
        count = int(np.clip(share, 1, max(1, len(order) - 1)))
        held = order[count:] if count < len(order) else order
        self.train = StateActions(*(x[order[:count]] for x in pairs))
        self.held_out = StateActions(*(x[held] for x in pairs))
        self.epochs, self._best_epoch, self.best = 0, 0, np.inf
        self._best_weights = self.network.get_weights()

    def run(self, most: int) -> Iterator[float]:
        """Train, and yield the held-out loss of every epoch; at the end the best weights are back.

        Args:
            most: epochs in all.
        """
        while self._goes_on(most):
            loss = self._pass()
            self.epochs += 1
            if loss < self.best:
                self.best, self._best_epoch = loss, self.epochs
                self._best_weights = self.network.get_weights()
            if not self._goes_on(most):
                self.network.set_weights(self._best_weights)
            yield loss

    def _goes_on(self, most: int) -> bool:
        """Return whether epochs are left and the last improvement is not too long ago."""
        return self.epochs < most and self.epochs - self._best_epoch < self._config.patience

    def _pass(self) -> float:
        """Pass over the training pairs in whole batches, drawn anew; return the held-out loss."""
        states, actions = self.train
        batch = min(self._config.batch_size, len(states))
        count = len(states) // batch
        rows = self._rng.permutation(len(states))[: count * batch].reshape(count, batch)
        minibatches = tf.constant(states[rows]), tf.constant(actions[rows])
        return float(self._update(*minibatches, *(tf.constant(x) for x in self.held_out)))

    @tf.function(reduce_retracing=True)
    def _update(self, states, actions, held_out_states, held_out_actions):
        """Take a step on every minibatch [K, B, ...]; return the held-out loss."""
        for k in tf.range(tf.shape(states)[0]):
            with tf.GradientTape() as tape:
                loss = cloning_loss(self.network, states[k], actions[k])
            minimise(loss, tape, self.network, self._optimiser)
        return cloning_loss(self.network, held_out_states, held_out_actions)

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimiser": self._optimiser, "rng": self._rng}


class Clone(NamedTuple):
    """A policy that was cloned from some pairs."""

    network: Policy
    error: float  # on the pairs that were held out


def clone(seen: Spec, pairs: StateActions, config: BCConfig, seed: int) -> Clone:
    """Clone a policy from pairs, and say by how much it errs on those that are held out.

    Args:
        pairs: standardised states [N, s] and actions [N, A] in [-1, 1] units or one-hot.

    Returns:
        The policy and its `cloning_error`. Of discrete actions that is at least 1 / n for n pairs
        that are held out: so few say nothing of what is rarer, and where actions can be told apart
        the loss has no least.
    """
    fitted = PolicyFit(seen, config, seed)
    fitted.begin(pairs, np.random.default_rng([seed, 3]))
    steps = max(1, len(fitted.train.states) // config.batch_size)
    for _ in fitted.run(min(config.max_epochs, max(1, MOST_STEPS // steps))):
        pass
    error = float(cloning_error(fitted.network, *fitted.held_out))
    least = 1.0 / len(fitted.held_out.states) if seen.discrete else 0.0
    return Clone(fitted.network, max(error, least))


class Cloning:
    """Clones one set of pairs after another, each from the same initial weights."""

    def __init__(self, spec: Spec, config: BCConfig, seed: int):
        """Take what the networks are built of.

        Args:
            seed: fixes the initial weights, the splits and the minibatches.
        """
        self._spec, self._config, self._seed = spec, config, seed
        self._fits: dict[int, PolicyFit] = {}  # by how many components are seen: compiled once

    def policy(self, pairs: StateActions, number: int) -> tuple[NumpyPolicy, PolicyFit]:
        """Return the policy that is fitted to pairs, and the fit, which has ended.

        Args:
            pairs: states [N, S] as observed, actions [N, A] in [-1, 1] units or one-hot.
            number: of this set of pairs: each draws its own split. The policy of number 0 is
                `agents.bc.BC`'s.
        """
        config, spec = self._config, self._spec
        normaliser = fit(pairs.states, config.normaliser_floor, config.state_clip)
        size = len(normaliser.mean)
        if size not in self._fits:
            self._fits[size] = PolicyFit(spec._replace(state_size=size), config, self._seed)
        fitted = self._fits[size]
        rng = np.random.default_rng([self._seed, 3, *([number] if number else [])])
        fitted.begin(StateActions(normaliser(pairs.states), pairs.actions), rng)
        for _ in fitted.run(config.max_epochs):
            pass
        return to_numpy(fitted.network, normaliser, spec), fitted
