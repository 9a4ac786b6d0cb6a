"""MGAIL (Algorithm 1): the policy follows D's exact gradient through a learned forward model."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgail_tf import config as configs
from mgail_tf import envs
from mgail_tf.actor import NumpyPolicy
from mgail_tf.imagination import burn_in, imagine, replay_rollout
from mgail_tf.networks.discriminator import Discriminator
from mgail_tf.networks.forward_model import FORWARD_MODELS
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy, to_numpy
from mgail_tf.networks.value import Value
from mgail_tf.normaliser import Normaliser, fit
from mgail_tf.objectives import (
    cloning_loss,
    costs_to_go,
    discriminator_loss,
    forward_model_loss,
    policy_cost,
)
from mgail_tf.replay import ReplayBuffer
from mgail_tf.rollout import Collector
from mgail_tf.types import Pairs, Sequences, Spec, Trajectory


class MGAIL:
    """The three networks, their optimisers, and one compiled function that updates all three."""

    def __init__(self, spec: Spec, config: configs.MGAIL, expert: Pairs, seed: int):
        """Build the networks; `seed` fixes their weights and every batch drawn."""
        self.config, self.spec = config, spec
        self.normaliser: Normaliser = fit(expert.states, config.normaliser_floor, config.state_clip)
        self._expert = Pairs(self.normaliser(expert.states), expert.actions)
        self.policy: GaussianPolicy | CategoricalPolicy
        if spec.discrete:
            self.policy = CategoricalPolicy(
                spec, config.policy_hidden, "relu", seed, config.temperature
            )
        else:
            self.policy = GaussianPolicy(
                spec, config.policy_hidden, "relu", seed, config.log_std, config.learn_std
            )
        self.discriminator = Discriminator(spec, config.discriminator_hidden, "relu", seed + 100)
        model = FORWARD_MODELS[config.model]
        self.model = model(spec, config.model_units, config.state_clip, seed + 200)
        self.value = Value(spec.state_size, config.value_hidden, "relu", seed + 300)
        self._target = Value(spec.state_size, config.value_hidden, "relu", seed + 300)
        self._rng = np.random.default_rng([seed, 2])
        self._optimisers = {
            name: keras.optimizers.Adam(rate, global_clipnorm=clip)
            for name, rate, clip in (
                ("model", config.model_learning_rate, 10.0),
                ("discriminator", config.discriminator_learning_rate, 10.0),
                ("policy", config.policy_learning_rate, config.gradient_clip),
                ("value", config.value_learning_rate, 10.0),
            )
        }
        for name, optimiser in self._optimisers.items():
            optimiser.build(getattr(self, name).trainable_variables)
        self._average, self._blocks = self.policy.get_weights(), 0
        self._block = tf.function(self._iterations, jit_compile=config.jit_compile)

    def actor(self) -> NumpyPolicy:
        """Return the policy that acts, with the present weights."""
        return to_numpy(self.policy, self.normaliser)

    def final_actor(self) -> NumpyPolicy:
        """Return the policy that is scored: with the averaged weights, if they are averaged."""
        present = self.policy.get_weights()
        self.policy.set_weights(self._average)
        averaged = self.actor()
        self.policy.set_weights(present)
        return averaged

    # -- one iteration -------------------------------------------------------------------------

    def _step(self, name: str, loss_of) -> dict[str, Any]:
        """Descend one network's loss by its optimiser; return what `loss_of` returns beside it."""
        variables = getattr(self, name).trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in variables])
            loss, metrics = loss_of()
        gradients = tape.gradient(loss, [v.value for v in variables])
        self._optimisers[name].apply(gradients, variables)
        return {**metrics, f"{name}_gradient": tf.linalg.global_norm(gradients)}

    def _rollout(self, starts: Sequences, noise) -> Trajectory:
        """Roll T steps out of recorded states, after warming the GRU up on the steps before."""
        config, warm = self.config, self.config.burn_in
        states, actions, _, mask = starts
        hidden = burn_in(self.model, states[:warm], actions[:warm], mask[:warm])
        if config.rollout == "imagine":
            return imagine(
                self.policy,
                self.model,
                states[warm],
                hidden,
                noise,
                config.unroll,
                config.model_end,
                # J is a mean over the batch and the steps
                config.state_gradient / (config.policy_batch * config.horizon),
            )
        return replay_rollout(
            self.policy, self.model, states[warm:], actions[warm:], noise, hidden, config.unroll
        )

    def _policy_loss(self, starts: Sequences, noise, expert):
        """Return the discounted cost J of Section 3.4, whose gradient is Eq. 12-13, per step."""
        config = self.config
        states, actions, survival = self._rollout(starts, noise)
        costs = policy_cost(self.discriminator(states[:-1], actions), config.cost)
        values = self._target(states[1:]) if config.horizon_value else None
        to_go = costs_to_go(costs, survival, values, config.gamma, config.lam, config.dead_cost)
        loss = tf.reduce_mean(to_go[0]) / (config.horizon * (1.0 - config.gamma))
        if config.cloning:
            loss += config.cloning * cloning_loss(self.policy, *expert)
        return loss, {
            "policy_cost": tf.reduce_mean(costs),
            "alive": tf.reduce_mean(tf.reduce_prod(survival, 0)),
            "states": tf.stop_gradient(states[:-1]),
            "to_go": tf.stop_gradient(to_go),
        }

    def _value_loss(self, states, to_go):
        """Return the squared error of the value on every imagined state (n-step targets)."""
        loss = tf.reduce_mean(tf.square(self.value(states) - to_go))
        return loss, {"value_loss": loss, "value": tf.reduce_mean(to_go)}

    def _iteration(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Lines 7 to 14 of Algorithm 1: forward model, discriminator, policy; then the value."""
        config = self.config
        agent, expert, mix = batch["agent"], batch["expert"], batch["mix"]
        metrics = self._step("model", lambda: forward_model_loss(self.model, batch["sequences"]))
        metrics |= self._step(
            "discriminator",
            lambda: discriminator_loss(
                self.discriminator,
                agent,
                expert,
                mix,
                config.gradient_penalty,
                config.gradient_slope,
            ),
        )
        metrics |= self._step(
            "policy", lambda: self._policy_loss(batch["starts"], batch["noise"], expert)
        )
        states, to_go = metrics.pop("states"), metrics.pop("to_go")
        if config.horizon_value:
            metrics |= self._step("value", lambda: self._value_loss(states, to_go))
            for old, new in zip(self._target.variables, self.value.variables, strict=True):
                old.assign_add(config.value_target_rate * (new - old))
        return metrics

    def _iterations(self, batches: dict[str, Any]) -> dict[str, Any]:
        """Run `block` iterations in one graph; batches have a leading axis of `block`."""
        count = tf.nest.flatten(batches)[0].shape[0]
        total = self._zero_metrics()
        for k in tf.range(count):
            metrics = self._iteration(tf.nest.map_structure(lambda x, k=k: x[k], batches))
            total = {name: total[name] + metrics[name] for name in total}
        return {name: value / count for name, value in total.items()}

    def _zero_metrics(self) -> dict[str, Any]:
        names = (
            "model_error end_loss model_gradient discriminator_loss discriminator_accuracy "
            "discriminator_gradient policy_cost alive policy_gradient"
        )
        names += " value_loss value value_gradient" if self.config.horizon_value else ""
        return {name: tf.zeros([]) for name in names.split()}

    # -- blocks --------------------------------------------------------------------------------

    def _batches(self, buffer: ReplayBuffer) -> dict[str, Any]:
        """Draw everything random of a block in NumPy, where it is cheap and resumable."""
        config, rng, expert = self.config, self._rng, self._expert
        count, size = config.block, config.discriminator_batch
        agent = buffer.sample(rng, (count, size), config.discriminator_recent)
        rows = rng.integers(len(expert.states), size=(count, size))
        replay = config.rollout == "replay"
        length = config.burn_in + (config.horizon if replay else 1)
        shape = (count, config.horizon, config.policy_batch, self.spec.action_size)
        starts = buffer.sample_sequences(
            rng, count, config.policy_batch, length, config.start_recent
        )
        if config.expert_starts and not replay:  # demonstrated states have no recorded past
            columns = slice(0, config.expert_starts)
            drawn = rng.integers(len(expert.states), size=(count, starts.mask[0, 0, columns].size))
            starts.states[:, config.burn_in, columns] = expert.states[drawn]
            starts.mask[:, : config.burn_in, columns] = 0.0
        return {
            "sequences": buffer.sample_sequences(
                rng, count, config.model_batch, config.model_length
            ),
            "agent": (agent.states, agent.actions),
            "expert": (expert.states[rows], expert.actions[rows]),
            "mix": rng.random((count, size, 1), dtype=np.float32),
            "starts": starts,
            "noise": self.policy.draw_noise(rng, shape),
        }

    def update(self, buffer: ReplayBuffer, progress: float) -> dict[str, float]:
        """Run one block of iterations on the buffer.

        Args:
            progress: fraction of the run that is over, for what is annealed.

        Returns:
            Metrics, averaged over the block.
        """
        config = self.config
        if config.decay:
            fraction = 1.0 - 0.9 * progress
            self._optimisers["policy"].learning_rate = fraction * config.policy_learning_rate
            self._optimisers["discriminator"].learning_rate = (
                fraction * config.discriminator_learning_rate
            )
        if not (config.learn_std or self.spec.discrete):
            now = config.log_std + progress * (config.final_log_std - config.log_std)
            self.policy.log_std.assign(tf.fill([self.spec.action_size], now))
        batches = tf.nest.map_structure(tf.constant, self._batches(buffer))
        metrics = {name: float(value) for name, value in self._block(batches).items()}
        self._blocks += 1
        # polynomial-decay averaging (Shamir & Zhang 2013): the window grows with the run
        share = 1.0 / (config.averaging * (self._blocks - 1) + 1.0)
        self._average = [
            old + share * (new - old)
            for old, new in zip(self._average, self.policy.get_weights(), strict=True)
        ]
        return metrics


def train(
    task: str, expert: Pairs, config: configs.MGAIL, seed: int
) -> Iterator[tuple[int, MGAIL, dict[str, float]]]:
    """Yield (environment steps so far, learner, metrics) after every block, until the budget."""
    env = envs.make(task, seed)
    learner = MGAIL(env.spec, config, expert, seed)
    buffer = ReplayBuffer(
        min(config.buffer_capacity, config.env_steps), env.spec, learner.normaliser
    )
    collector = Collector(env, np.random.default_rng([seed, 1]))
    steps = min(config.prefill_steps, config.env_steps)
    per_block = max(1, round(config.block / config.updates_per_step))
    while True:
        for episode in collector.collect(learner.actor(), steps):
            buffer.add(episode)
        metrics = learner.update(buffer, collector.env_steps / config.env_steps)
        recent = collector.finished[-5:] or [(np.nan, np.nan)]
        metrics["return"], metrics["length"] = np.mean(recent, 0)
        yield collector.env_steps, learner, metrics
        steps = min(per_block, config.env_steps - collector.env_steps)
        if steps <= 0:
            return
