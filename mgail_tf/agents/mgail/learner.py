"""The networks of MGAIL, and Lines 7 to 14 of Algorithm 1: one update of all of them on a batch."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from mgail_tf.agents.mgail.batches import Batch
from mgail_tf.agents.mgail.imagination import (
    burn_in,
    clip_state_gradient,
    dynamics_of,
    first_recorded,
    imagine,
    never_terminating,
    replay_rollout,
    with_errors,
)
from mgail_tf.agents.mgail.objectives import (
    forward_model_loss,
    lambda_costs,
    masked_mean,
    value_loss,
)
from mgail_tf.agents.mgail.rules import Strength
from mgail_tf.agents.mgail.scan import read_metrics, repeat
from mgail_tf.agents.mgail.termination_cost import TerminationCost
from mgail_tf.checkpoint import Resumable
from mgail_tf.config.algorithms import MGAILConfig
from mgail_tf.networks.discriminator import Discriminator, discriminator_loss, policy_cost
from mgail_tf.networks.ema import soft_update
from mgail_tf.networks.forward_model import FORWARD_MODELS
from mgail_tf.networks.minimise import minimise
from mgail_tf.networks.policy import cloning_error, cloning_loss, policy_for
from mgail_tf.networks.value import Value
from mgail_tf.types import Sequences, Spec, StateActions, Trajectory

POLICY_GRADIENT_CLIP = 1.0  # global norm
GRADIENT_CLIP = 10.0  # of the other networks
VALUE_HIDDEN, VALUE_LEARNING_RATE = (128, 128), 1e-3
VALUE_TARGET_RATE = 0.01  # by which the value's target network follows it, per update
END_HIDDEN = (64, 64)  # of the discriminator of ends

# What an update measures, in the order in which it computes them.
_METRICS = (
    *("model_error", "termination_loss", "model_gradient", "model_weights"),
    *("discriminator_loss", "discriminator_accuracy"),
    *("discriminator_gradient", "discriminator_weights"),
    *("policy_cost", "continuation", "termination_cost", "policy_gradient", "policy_weights"),
)
_CLONING_METRICS = ("cloning_error", "cloning_share")
_VALUE_METRICS = ("value_loss", "value_target", "value_gradient", "value_weights")


class Settled(NamedTuple):
    """Settings, those that are None with what `agents.mgail.rules` says for them."""

    gamma: float
    log_std: tuple[float, float]  # at the beginning and the end of a run
    strength: Strength  # of the discriminator
    end_strength: Strength | None  # of the one of ends; None: it is not told where episodes end
    cloning_bound: float | None  # error from which on the policy takes a step of cloning


class Learner(Resumable):
    """Policy, discriminator, forward model and value, and the update that trains them.

    Attributes:
        policy, discriminator, model, value: the networks.
        ema_model, target_value: copies of two of them that follow slowly.
        end_discriminator: tells in which states episodes end; None: nothing does.
        run_updates: (batches) -> (mean metrics, how many updates were finite), uncompiled.
        updates: how many there have been.
    """

    _plain = ("updates",)

    def __init__(
        self,
        seen: Spec,
        config: MGAILConfig,
        settled: Settled,
        termination_cost: TerminationCost,
        policy_rate: float,
        seed: int,
    ):
        """Make the networks and their optimisers.

        Args:
            seen: of the environment, with as many state components as the networks see.
            policy_rate: the policy's first learning rate on J.
            seed: fixes the initial weights.
        """
        self._config, self._settled = config, settled
        self._termination_cost = termination_cost
        activation = config.critic_activation
        self.policy = policy_for(
            seen,
            config.policy_hidden,
            config.policy_activation,
            seed,
            log_std=settled.log_std[0],
            learn_std=False,
            temperature=config.temperature,
        )
        self.discriminator = Discriminator(
            seen, config.discriminator_hidden, activation, seed + 100
        )
        self.model, self.ema_model = (
            FORWARD_MODELS[config.forward_model](
                seen, config.model_units, config.state_clip, activation, seed + 200
            )
            for _ in range(2)
        )
        self.value, self.target_value = (
            Value(seen.state_size, VALUE_HIDDEN, activation, seed + 300) for _ in range(2)
        )
        self.end_discriminator: Discriminator | None = None
        if settled.end_strength:
            self.end_discriminator = Discriminator(
                seen._replace(action_size=0), END_HIDDEN, activation, seed + 400
            )
            self.end_optimiser = _adam(self.end_discriminator, settled.end_strength.learning_rate)
        self.policy_optimiser = _adam(self.policy, policy_rate, POLICY_GRADIENT_CLIP)
        self.cloning_optimiser = _adam(
            self.policy, config.cloning_learning_rate, POLICY_GRADIENT_CLIP
        )
        self.model_optimiser = _adam(self.model, config.model_learning_rate)
        self.discriminator_optimiser = _adam(self.discriminator, settled.strength.learning_rate)
        self.value_optimiser = _adam(self.value, VALUE_LEARNING_RATE)
        self._restarting = keras.optimizers.schedules.CosineDecayRestarts(
            1.0, config.restart_period, config.restart_multiplier
        )
        self._unroll = config.compile != "xla"
        self._metrics = _METRICS + (_VALUE_METRICS if config.value_targets else ())
        if settled.cloning_bound is not None:
            self._metrics += _CLONING_METRICS
        self.run_updates: Callable[[Batch], tuple[Any, Any]] = functools.partial(
            repeat, self._update, count=config.updates_per_call, names=self._metrics
        )
        self._compiled = tf.function(self.run_updates, jit_compile=config.compile != "graph")
        self.updates = 0

    def update(self, batches: Batch) -> dict[str, float]:
        """Run `updates_per_call` updates of all networks.

        Args:
            batches: as `agents.mgail.batches.Batches` draws them, as constants.

        Returns:
            Mean metrics of the updates.

        Raises:
            Diverged: a number is not finite.
        """
        count = self._config.updates_per_call
        metrics = read_metrics(self._compiled(batches), self._metrics, count, self.updates)
        self.updates += count
        return metrics

    def anneal(self, progress: float, policy_rate: float) -> None:
        """Set what changes over the run: learning rates and the policy's standard deviation.

        Args:
            progress: fraction of the run that is over.
            policy_rate: the policy's learning rate on J, before it is annealed.
        """
        config = self._config
        constant = config.learning_rate_schedule == "constant"
        left = 1.0 if constant else 1.0 - 0.9 * progress
        self.policy_optimiser.learning_rate = left * policy_rate
        self.cloning_optimiser.learning_rate = left * config.cloning_learning_rate
        if config.learning_rate_schedule == "cosine_restarts":
            left = float(self._restarting(self.updates))
        self.model_optimiser.learning_rate = left * config.model_learning_rate
        strength, end_strength = self._settled.strength, self._settled.end_strength
        self.discriminator_optimiser.learning_rate = left * strength.learning_rate
        if end_strength:
            self.end_optimiser.learning_rate = left * end_strength.learning_rate
        self.set_noise(progress)

    def set_noise(self, progress: float) -> None:
        """Set the policy's standard deviation after a share of the run."""
        if not self.policy.discrete:
            first, last = self._settled.log_std
            now = first + progress * (last - first)
            self.policy.log_std.assign(tf.fill(self.policy.log_std.shape, now))

    def _update(self, batch: Batch) -> dict[str, Any]:
        """Lines 7 to 14 of Algorithm 1 on one batch: a tape a network. Return what is measured."""
        metrics = self._update_model(batch.sequences)  # Line 7
        metrics |= self._update_discriminator(batch)  # Line 8
        ending = self.cost_of_ending(batch.agent, batch.termination_cost)
        measured, trajectory, to_go = self._update_policy(batch, ending)  # Lines 9-14
        metrics |= measured
        if self._config.value_targets:  # beyond the paper: what lies beyond the horizon
            metrics |= self._update_value(batch, ending, trajectory, to_go)
        return metrics

    def _update_model(self, recorded: Sequences) -> dict[str, Any]:
        """Line 7: train the forward model f on recorded stretches."""
        config = self._config
        with tf.GradientTape() as tape:
            error, termination_loss = forward_model_loss(
                self.model, recorded, config.teacher_forced_steps, self._unroll
            )
            loss = error + termination_loss
        gradient, weights = minimise(loss, tape, self.model, self.model_optimiser)
        soft_update(self.ema_model, self.model, config.model_ema_rate)  # the copy imagines
        metrics = {"model_error": error, "termination_loss": termination_loss}
        return metrics | {"model_gradient": gradient, "model_weights": weights}

    def _update_discriminator(self, batch: Batch) -> dict[str, Any]:
        """Line 8, Eq. 3: train D(s, a) = P(agent | s, a), Eq. 6."""
        with tf.GradientTape() as tape:
            loss, judged = discriminator_loss(
                self.discriminator,
                batch.agent,
                batch.expert,
                batch.mix,
                self._settled.strength.penalty,
                self._settled.strength.slope,
            )
        norms = minimise(loss, tape, self.discriminator, self.discriminator_optimiser)
        if self.end_discriminator is not None:
            self._update_end_discriminator(batch)
        return judged | {"discriminator_gradient": norms[0], "discriminator_weights": norms[1]}

    def _update_policy(
        self, batch: Batch, ending: Callable[[Any], Any]
    ) -> tuple[dict[str, Any], Trajectory, Any]:
        """Lines 9 to 14: train the policy on imagined trajectories.

        J of Section 3.4 sums gamma^t D(s_t, a_t). Here a cost stands for D, -log(1 - D) by default:
        its gradient does not vanish where D is 1, where the agent is told apart, as that of D and
        of Eq. 3's log D does.

        Args:
            ending: the cost after an end, see `cost_of_ending`.

        Returns:
            (what is measured, the trajectory, its costs to go [T, B]).
        """
        config = self._config
        with tf.GradientTape() as tape:
            trajectory = self._rollout(batch)  # actions by Eq. 10, states by f (Eq. 11)
            costs = policy_cost(self.discriminator(*_pairs(trajectory)), config.cost)  # c_t
            dead = ending(trajectory.states[1:])
            to_go = self._costs_to_go(costs, trajectory, dead)  # discounted
            first = to_go[0]
            if config.rollout == "replay":
                first = first_recorded(to_go, trajectory.mask)
            span = batch.noise.shape[0] * (1.0 - self._settled.gamma)  # T (1 - gamma)
            loss = tf.reduce_mean(first) / span  # J, per step
            if config.bc_weight:  # beyond the paper
                loss += config.bc_weight * cloning_loss(self.policy, *batch.expert)
        # Lines 10-13, Eq. 12-13: the tape's backward pass through D, pi and f, from t = T to 0
        follow = functools.partial(minimise, loss, tape, self.policy, self.policy_optimiser)
        metrics = {}
        if self._settled.cloning_bound is None:
            norms = follow()  # Line 14
        else:  # beyond the paper
            error = cloning_error(self.policy, *batch.expert)
            clones = error > self._settled.cloning_bound
            norms = tf.cond(clones, functools.partial(self._clone, batch.expert), follow)
            metrics = {"cloning_error": error, "cloning_share": tf.cast(clones, error.dtype)}
        alive = tf.reduce_mean(tf.reduce_prod(trajectory.continuation, 0))
        metrics |= {"policy_cost": masked_mean(costs, trajectory.mask), "continuation": alive}
        metrics |= {"termination_cost": tf.reduce_mean(dead)}
        metrics |= {"policy_gradient": norms[0], "policy_weights": norms[1]}
        return metrics, trajectory, to_go

    def _update_value(
        self, batch: Batch, ending: Callable[[Any], Any], imagined: Trajectory, to_go: Any
    ) -> dict[str, Any]:
        """Train the value on recorded stretches, on what was imagined, or on both."""
        config = self._config
        learnt = []  # (states [T, B, S], targets [T, B], mask [T, B])
        if config.value_targets != "recorded":
            mask = imagined.mask
            if config.value_targets == "both":  # what follows an imagined end counts less
                mask *= tf.math.cumprod(imagined.continuation, 0, exclusive=True)
            learnt.append((imagined.states[:-1], to_go, mask))
        if config.value_targets != "imagined":
            recorded, recorded_to_go = self._judge(batch, ending)
            learnt.append((recorded.states[:-1], recorded_to_go, recorded.mask))
        states, targets, mask = (
            tf.stop_gradient(tf.concat(parts, 1)) for parts in zip(*learnt, strict=True)
        )
        with tf.GradientTape() as tape:
            loss = value_loss(self.value, states, targets, mask)
        norms = minimise(loss, tape, self.value, self.value_optimiser)
        soft_update(self.target_value, self.value, VALUE_TARGET_RATE)
        metrics = {"value_loss": loss, "value_target": masked_mean(targets, mask)}
        return metrics | {"value_gradient": norms[0], "value_weights": norms[1]}

    def _clone(self, expert: StateActions) -> tuple[Any, Any]:
        """Take a step of cloning, with an optimiser of its own; return norms as `minimise` does."""
        with tf.GradientTape() as tape:
            loss = cloning_loss(self.policy, *expert)
        return minimise(loss, tape, self.policy, self.cloning_optimiser)

    def _update_end_discriminator(self, batch: Batch) -> None:
        """Learn to tell the states in which the agent's episodes end from the demonstrations'."""
        strength = self._settled.end_strength
        assert strength is not None
        none = tf.zeros([self._config.discriminator_batch, 0])  # no actions
        with tf.GradientTape() as tape:
            loss, _ = discriminator_loss(
                self.end_discriminator,
                StateActions(batch.ends, none),
                StateActions(batch.expert_ends, none),
                batch.mix,
                strength.penalty,
                strength.slope,
            )
        minimise(loss, tape, self.end_discriminator, self.end_optimiser)

    def cost_of_ending(self, agent: StateActions, value: Any) -> Callable[[Any], Any]:
        """Return the cost after an end as a function of the states [T, B, S] reached.

        Args:
            agent: the agent's pairs [D, ...], by which living is judged.
            value: [] from `termination_cost.value`.
        """
        living = tf.reduce_mean(policy_cost(self.discriminator(*agent), self._config.cost))

        def cost(states):
            where = None
            if self.end_discriminator is not None:
                where = self.end_discriminator(states, tf.zeros([*states.shape[:-1], 0]))
            return self._termination_cost.at(value, where, living)

        return cost

    def _rollout(self, batch: Batch) -> Trajectory:
        """Roll T steps out, from recorded states; the GRU is warmed up on the steps before them."""
        config, warm = self._config, self._config.burn_in_steps
        states, actions, _, mask = batch.starts
        hidden = burn_in(self.ema_model, states[:warm], actions[:warm], mask[:warm])
        dynamics = dynamics_of(self.ema_model)
        if config.rollout == "replay":
            recorded = Sequences(*(x[warm:] for x in batch.starts))
            return replay_rollout(
                self.policy, dynamics, recorded, hidden, batch.noise, self._unroll
            )
        if not config.predict_termination:
            dynamics = never_terminating(dynamics)
        if batch.model_errors is not None:
            dynamics = with_errors(dynamics, batch.model_errors)
        options = {}
        if config.state_gradient_clip:
            # one trajectory's J, per step, has the weight 1 / B in the loss, and so has the limit
            options["see"] = clip_state_gradient(config.state_gradient_clip / states.shape[1])
        return imagine(
            self.policy,
            dynamics,
            states[warm],
            hidden,
            batch.noise,
            self._unroll,
            **options,
        )

    def _costs_to_go(self, costs: Any, trajectory: Trajectory, termination_cost: Any) -> Any:
        """Return the discounted costs [T, B] from each step on, beyond the horizon by the value."""
        config = self._config
        values = self.target_value(trajectory.states[1:]) if config.value_targets else None
        return lambda_costs(
            costs,
            trajectory.continuation,
            values,
            self._settled.gamma,
            config.td_lambda,
            termination_cost,
        )

    def _judge(self, batch: Batch, ending: Callable[[Any], Any]) -> tuple[Trajectory, Any]:
        """Return recorded stretches as a trajectory, and their costs to go [T, B] by D."""
        assert batch.recorded is not None
        states, actions, terminated, mask = batch.recorded
        recorded = Trajectory(states, actions, 1.0 - terminated, mask)
        costs = policy_cost(self.discriminator(*_pairs(recorded)), self._config.cost)
        return recorded, self._costs_to_go(costs, recorded, ending(recorded.states[1:]))

    def model_errors(self, recorded: Sequences) -> Any:
        """Return s' - f(s, a) [B, S] of the last steps of stretches, by the model that imagines."""
        states, actions, _, mask = recorded
        hidden = burn_in(self.ema_model, states[:-2], actions[:-1], mask[:-1])
        return states[-1] - self.ema_model(states[-2], actions[-1], hidden).next_states

    def _parts(self) -> dict[str, Any]:
        ends = {}
        if self.end_discriminator is not None:
            ends = {
                "end_discriminator": self.end_discriminator,
                "end_optimiser": self.end_optimiser,
            }
        return ends | {
            "policy": self.policy,
            "discriminator": self.discriminator,
            "model": self.model,
            "ema_model": self.ema_model,
            "value": self.value,
            "target_value": self.target_value,
            "policy_optimiser": self.policy_optimiser,
            "cloning_optimiser": self.cloning_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
            "model_optimiser": self.model_optimiser,
            "value_optimiser": self.value_optimiser,
        }


def _adam(network: Any, rate: float, clip: float = GRADIENT_CLIP) -> Any:
    optimiser = keras.optimizers.Adam(rate, global_clipnorm=clip)
    optimiser.build(network.trainable_variables)
    return optimiser


def _pairs(trajectory: Trajectory) -> StateActions:
    """Return the pairs [T, B, ...] that D judges."""
    return StateActions(trajectory.states[:-1], trajectory.actions)
