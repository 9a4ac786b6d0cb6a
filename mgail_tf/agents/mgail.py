"""MGAIL (Algorithm 1): the policy follows D's exact gradient through a learned forward model."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgail_tf import blocks, envs
from mgail_tf import config as configs
from mgail_tf.absorbing import EndCost, Ends
from mgail_tf.actor import NumpyPolicy
from mgail_tf.averaging import RunningAverage, follow
from mgail_tf.batches import Batches
from mgail_tf.checkpoint import Resumable
from mgail_tf.imagination import burn_in, first_recorded, imagine, replay_rollout
from mgail_tf.interaction import Training
from mgail_tf.networks.discriminator import Discriminator
from mgail_tf.networks.forward_model import FORWARD_MODELS
from mgail_tf.networks.policy import for_spec, to_numpy
from mgail_tf.networks.value import Value
from mgail_tf.normaliser import Normaliser, fit
from mgail_tf.objectives import (
    cloning_loss,
    costs_to_go,
    discriminator_loss,
    forward_model_loss,
    policy_cost,
    value_loss,
)
from mgail_tf.replay import ReplayBuffer
from mgail_tf.types import Pairs, Sequences, Spec, Trajectory

_METRICS = """
    model_error end_loss model_gradient model_weights
    discriminator_loss discriminator_accuracy discriminator_gradient discriminator_weights
    policy_cost alive policy_gradient policy_weights"""


class MGAIL(Resumable):
    """Policy, discriminator, model and value, their optimisers, and one compiled update of all."""

    _plain = ("_iteration_count",)

    def __init__(
        self, spec: Spec, config: configs.MGAIL, expert: Pairs, seed: int, ends: Ends | None = None
    ):
        """Build the networks; `seed` fixes their weights and every batch drawn."""
        self.config, self.spec = config, spec
        judged = ends if config.end == "judged" else None
        self.end_cost = EndCost(judged, config.cost, config.gamma, config.dead_cost)
        size = config.state_components or spec.state_size
        spec = spec._replace(state_size=size)  # all that the networks see
        seen = expert.states[:, :size]
        self.normaliser: Normaliser = fit(seen, config.normaliser_floor, config.state_clip)
        self._expert = Pairs(self.normaliser(expert.states), expert.actions)
        self.policy = for_spec(
            spec,
            config.policy_hidden,
            "relu",
            seed,
            log_std=config.log_std,
            learn_std=config.learn_std,
            temperature=config.temperature,
        )
        smooth, hidden = config.critic_activation, config.discriminator_hidden
        self.discriminator = Discriminator(spec, hidden, smooth, seed + 100)
        size, clip = config.model_units, config.state_clip
        self.model, self.slow_model = (
            FORWARD_MODELS[config.model](spec, size, clip, smooth, seed + 200) for _ in range(2)
        )
        size, hidden = spec.state_size, config.value_hidden
        self.value, self._target = (Value(size, hidden, smooth, seed + 300) for _ in range(2))
        draw = self.policy.draw_noise, tf.function(self._model_errors)
        self._batches = Batches(spec, config, self._expert, *draw, np.random.default_rng([seed, 2]))
        clips = {
            "model": 10.0,
            "discriminator": 10.0,
            "policy": config.gradient_clip,
            "value": 10.0,
        }
        self._optimisers = {
            name: keras.optimizers.Adam(getattr(config, f"{name}_learning_rate"), global_clipnorm=x)
            for name, x in clips.items()
        }
        for name, optimiser in self._optimisers.items():
            optimiser.build(getattr(self, name).trainable_variables)
        self._iteration_count = 0
        self._average = RunningAverage(self.policy.get_weights(), config.averaging)
        self._block = tf.function(self._iterations, jit_compile=config.jit_compile)

    def actor(self) -> NumpyPolicy:
        """Return the policy that acts, with the present weights."""
        return to_numpy(self.policy, self.normaliser)

    def final_actor(self) -> NumpyPolicy:
        """Return the policy that is scored: with the averaged weights, if they are averaged."""
        present = self.policy.get_weights()
        self.policy.set_weights(self._average.weights)
        averaged = self.actor()
        self.policy.set_weights(present)
        return averaged

    def _parts(self) -> dict[str, Any]:
        networks = {name: getattr(self, name) for name in self._optimisers}
        optimisers = {f"{name}_optimiser": o for name, o in self._optimisers.items()}
        return {
            **networks,
            **optimisers,
            "target": self._target,
            "slow_model": self.slow_model,
            "average": self._average,
            "end_cost": self.end_cost,
            "batches": self._batches,
        }

    # -- one iteration -------------------------------------------------------------------------

    def _step(self, name: str, loss_of) -> dict[str, Any]:
        """Descend one network's loss by its optimiser; return what `loss_of` returns beside it."""
        variables = getattr(self, name).trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in variables])
            loss, metrics = loss_of()
        gradients = tape.gradient(loss, [v.value for v in variables])
        self._optimisers[name].apply(gradients, variables)
        norms = {"gradient": gradients, "weights": [v.value for v in variables]}
        return {**metrics, **{f"{name}_{k}": tf.linalg.global_norm(v) for k, v in norms.items()}}

    def _model_errors(self, recorded: Sequences):
        """Return s' - f(s, a) [B, S] of the last steps of stretches, by the model imagined with."""
        states, actions, _, mask = recorded
        hidden = burn_in(self.slow_model, states[:-2], actions[:-1], mask[:-1])
        return states[-1] - self.slow_model(states[-2], actions[-1], hidden).next_states

    def _rollout(self, starts: Sequences, noise, errors) -> Trajectory:
        """Roll T steps out of recorded states, after warming the GRU up on the steps before."""
        config, warm = self.config, self.config.burn_in
        states, actions, _, mask = starts
        networks = self.policy, self.slow_model
        hidden = burn_in(self.slow_model, states[:warm], actions[:warm], mask[:warm])
        if config.rollout == "replay":
            recorded = Sequences(*(x[warm:] for x in starts))
            return replay_rollout(*networks, recorded, noise, hidden, config.unroll)
        # J is a mean over the batch and the steps
        limit = config.state_gradient / (config.policy_batch * config.horizon)
        given = *networks, states[warm], hidden, noise
        return imagine(*given, config.unroll, config.model_end, limit, errors)

    def _policy_loss(self, starts: Sequences, noise, expert, dead_cost, errors=None):
        """Return the discounted cost J of Section 3.4, whose gradient is Eq. 12-13, per step.

        Args:
            errors: see `imagine`.
        """
        config = self.config
        states, actions, survival = self._rollout(starts, noise, errors)
        costs = policy_cost(self.discriminator(states[:-1], actions), config.cost)
        values = self._target(states[1:]) if config.horizon_value else None
        to_go = costs_to_go(costs, survival, values, config.gamma, config.lam, dead_cost)
        counted, begin = tf.ones_like(to_go), to_go[0]
        if config.rollout == "replay":
            counted = starts.mask[config.burn_in :]
            begin = first_recorded(to_go, counted)
        loss = tf.reduce_mean(begin) / (config.horizon * (1.0 - config.gamma))
        if config.cloning:
            loss += config.cloning * cloning_loss(self.policy, *expert)
        return loss, {
            "policy_cost": tf.reduce_sum(counted * costs) / tf.reduce_sum(counted),
            "alive": tf.reduce_mean(tf.reduce_prod(survival, 0)),
            "imagined": [tf.stop_gradient(x) for x in (states[:-1], to_go, counted)],
        }

    def _judged(self, recorded: Sequences, dead_cost):
        """Return recorded states [L, B, S], their costs to go [L, B] by D, and the mask."""
        config = self.config
        states, actions, terminated, mask = recorded
        costs = policy_cost(self.discriminator(states[:-1], actions), config.cost)
        ahead = costs, 1.0 - terminated, self._target(states[1:])
        to_go = costs_to_go(*ahead, config.gamma, config.lam, dead_cost)
        return states[:-1], tf.stop_gradient(to_go), mask

    def update_model(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Line 7 of Algorithm 1: the forward model, and its slow copy."""
        data = batch["sequences"], self.config.model_recorded, self.config.unroll
        metrics = self._step("model", functools.partial(forward_model_loss, self.model, *data))
        follow(self.slow_model, self.model, self.config.model_target_rate)
        return metrics

    def update_discriminator(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Line 8: the discriminator."""
        data = batch["agent"], batch["expert"], batch["mix"]
        bound = self.config.gradient_penalty, self.config.gradient_slope
        loss = functools.partial(discriminator_loss, self.discriminator, *data, *bound)
        return self._step("discriminator", loss)

    def update_policy(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Lines 9 to 14: the policy; then the value, on recorded or imagined states."""
        data = [batch.get(name) for name in ("noise", "expert", "dead_cost", "errors")]
        loss = functools.partial(self._policy_loss, batch["starts"], *data)
        metrics = self._step("policy", loss)
        seen = metrics.pop("imagined")
        if self.config.horizon_value:
            if self.config.value_data == "recorded":
                seen = self._judged(batch["recorded"], batch["dead_cost"])
            metrics |= self._step("value", functools.partial(value_loss, self.value, *seen))
            follow(self._target, self.value, self.config.value_target_rate)
        return metrics

    def _iteration(self, batch: dict[str, Any]) -> dict[str, Any]:
        metrics = self.update_model(batch) | self.update_discriminator(batch)
        return metrics | self.update_policy(batch)

    def _metric_names(self) -> list[str]:
        """Return what an iteration measures, in the order of its updates."""
        names = _METRICS + " value_loss value value_gradient value_weights"
        return (names if self.config.horizon_value else _METRICS).split()

    def _iterations(self, batches: dict[str, Any]) -> tuple[Any, Any]:
        return blocks.run(self._iteration, batches, self._metric_names())

    # -- blocks --------------------------------------------------------------------------------

    def update(self, buffer: ReplayBuffer, progress: float) -> dict[str, float]:
        """Run one block of iterations on the buffer.

        Args:
            progress: fraction of the run that is over, for what is annealed.

        Returns:
            Metrics, averaged over the block.

        Raises:
            Diverged: one is not finite.
        """
        config = self.config
        if config.decay:
            for name in ("policy", "model", "discriminator"):
                rate = getattr(config, f"{name}_learning_rate")
                self._optimisers[name].learning_rate = (1.0 - 0.9 * progress) * rate
        if not (config.learn_std or self.spec.discrete):
            now = config.log_std + progress * (config.final_log_std - config.log_std)
            self.policy.log_std.assign(tf.fill([self.spec.action_size], now))
        drawn = self._batches(buffer, self.end_cost.value())
        batches = tf.nest.map_structure(tf.constant, drawn)
        result = self._block(batches)
        metrics = blocks.read(result, self._metric_names(), config.block, self._iteration_count)
        self._iteration_count += config.block
        self._average.add(self.policy.get_weights())
        return metrics


def train(
    task: str, expert: Pairs, config: configs.MGAIL, seed: int, ends: Ends | None = None
) -> Training:
    """Return the training of an imitator; iterating over it runs it.

    Args:
        ends: how the demonstrated episodes end; None: as if all were cut off by a time limit.
    """
    env = envs.make(task, seed)
    return Training(env, MGAIL(env.spec, config, expert, seed, ends), config, seed)
