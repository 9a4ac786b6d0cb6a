"""MGAIL (Algorithm 1): the policy follows D's exact gradient through a learned forward model.

`iterate` is the algorithm's loop, `_update` its Lines 7 to 14. docs/method.md lists what differs
from the paper.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail import diagnostics, rules
from mgail_tf.agents.mgail.batches import Batch, Batches
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
from mgail_tf.agents.mgail.safeguard import JUDGEMENTS, WINDOW, Safeguard
from mgail_tf.agents.mgail.scan import read_metrics, repeat
from mgail_tf.agents.mgail.termination_cost import TerminationCost, terminations_of
from mgail_tf.checkpoint import Resumable
from mgail_tf.config.algorithms import BCConfig, MGAILConfig
from mgail_tf.config.tasks import settings_of, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.data.normaliser import Normaliser, fit
from mgail_tf.data.replay import ReplayBuffer
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.envs.rollout import Collector, RandomPolicy, growing_limit
from mgail_tf.errors import BadInput
from mgail_tf.networks.cloning import Clone, clone
from mgail_tf.networks.discriminator import Discriminator, discriminator_loss, policy_cost
from mgail_tf.networks.ema import RunningAverage, soft_update
from mgail_tf.networks.forward_model import FORWARD_MODELS
from mgail_tf.networks.minimise import minimise
from mgail_tf.networks.policy import cloning_error, cloning_loss, policy_for, to_numpy, trunk
from mgail_tf.networks.value import Value
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import run
from mgail_tf.types import Episode, Sequences, Spec, StateActions, Trajectory

POLICY_GRADIENT_CLIP = 1.0  # global norm
GRADIENT_CLIP = 10.0  # of the other networks
VALUE_HIDDEN, VALUE_LEARNING_RATE = (128, 128), 1e-3
VALUE_TARGET_RATE = 0.01  # by which the value's target network follows it, per update
ACCURACY_RATE = 0.1  # by which the discriminator's mean accuracy follows it, per call
SLOWER = 0.5  # the policy's rate falls to this share whenever it has gone astray
FIRST_LOG_STD = -1.2  # of the first, random actions, where settings do not say
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


class MGAIL(Resumable):
    """Policy, discriminator, forward model and value, and the loop that trains them."""

    algorithm, unit = "mgail", "env_steps"
    diagnostic_columns = (*diagnostics.COLUMNS, "training_match")
    _plain = ("_updates", "_accuracy", "_caution", "_acts_since")

    def __init__(
        self,
        env: EnvLike,
        demonstrations: Demonstrations,
        config: MGAILConfig | None = None,
        seed: int = 0,
    ):
        """Line 1: take the demonstrations, fill the buffer with first steps, make the networks.

        The first `prefill_steps` are of random actions. Settings that are not given follow from
        them and from the demonstrations, see `agents.mgail.rules`.

        Args:
            env: an environment, a function that makes one, the name of a task, or a Gymnasium id.
            demonstrations: of the expert; `Demonstrations.sample` says which pairs are learnt from.
            config: None: the defaults.
            seed: fixes the initial weights, the environment and everything that is drawn.

        Raises:
            BadInput: the environment or the demonstrations will not do.
        """
        self.env, self.seed = env, seed
        environment = make(env, seed)
        self.spec = spec = environment.spec
        task = task_of(spec)
        self.config: MGAILConfig = settings_of("mgail", task, config)
        config = self.config
        self.demonstrations = fitting(demonstrations, spec)
        self.finished_policy: NumpyPolicy | None = None

        self._collector = Collector(environment, np.random.default_rng([seed, 1]))
        self._collector.limit = config.initial_episode_steps
        expert = self.demonstrations.pairs(spec)
        random = RandomPolicy(spec, np.exp(config.log_std[0] if config.log_std else FIRST_LOG_STD))
        first = self._collector.collect(random, config.prefill_steps)
        self.normaliser = _normaliser(config, spec, expert.states, first, self.demonstrations)
        self.expert = StateActions(self.normaliser(expert.states), expert.actions)
        self.buffer = ReplayBuffer(config.replay_capacity, spec, self.normaliser)
        endings = terminations_of(self.demonstrations)
        self.gamma = config.gamma or rules.discount(
            endings.lengths, self.demonstrations.mostly_terminate
        )
        self.termination_cost = TerminationCost(
            endings, config.cost, self.gamma, config.termination_cost
        )
        expert_ends = None
        self._judges_ends = self.termination_cost.judged and self.demonstrations.ends_recorded
        if self._judges_ends:
            expert_ends = self.normaliser(self.demonstrations.terminal_states())
        self._safeguard: Safeguard | None = None
        if config.match_tolerance:
            self._safeguard = Safeguard(
                endings, self.expert, expert_ends, self.normaliser, config.match_tolerance
            )
        self._add(first)

        seen = spec._replace(state_size=len(self.normaliser.mean))  # what the networks see
        pairs = len(expert.states)
        self._components = components = seen.state_size + seen.action_size
        # whether a discriminator that is right about few pairs means that the policy is near
        gentle = rules.is_gentle(pairs, components)
        self._telling = not gentle and not self.termination_cost.judged
        self._strength = _strength(config, pairs, components)
        self._accuracy = 1.0  # running mean of the discriminator's: at first all can be told apart
        self._caution = 1.0  # share of the policy's rate that is left after it went astray
        # environment steps from which on the policy acts; None: a clone still does
        self._acts_since: int | None = None if config.clone_share else config.prefill_steps
        cloned: Clone | None = None
        if config.cloning_bound or config.clone_share or not config.log_std:
            cloning = BCConfig(hidden=config.policy_hidden, activation=config.policy_activation)
            cloned = clone(seen, self.expert, cloning, seed)
        self._cloning_bound: float | None = None
        if cloned and config.cloning_bound:
            self._cloning_bound = config.cloning_bound * cloned.error
        error = cloned.error if cloned else math.nan
        self._log_std = config.log_std or rules.exploration(error, spec.action_size)
        activation = config.critic_activation
        self.policy_network = policy_for(
            seen,
            config.policy_hidden,
            config.policy_activation,
            seed,
            log_std=self._log_std[0],
            learn_std=False,
            temperature=config.temperature,
        )
        self._clone_weights: list[np.ndarray] = []
        if cloned and config.clone_share:
            present = self.policy_network.get_weights()
            trunk(self.policy_network).set_weights(trunk(cloned.network).get_weights())
            self._clone_weights = self.policy_network.get_weights()
            self.policy_network.set_weights(present)
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
        self.policy_optimiser = _adam(self.policy_network, self._policy_rate, POLICY_GRADIENT_CLIP)
        self.cloning_optimiser = _adam(
            self.policy_network, config.cloning_learning_rate, POLICY_GRADIENT_CLIP
        )
        self.model_optimiser = _adam(self.model, config.model_learning_rate)
        self.discriminator_optimiser = _adam(self.discriminator, self._strength.learning_rate)
        if expert_ends is not None:
            self._end_strength = _strength(config, len(expert_ends), seen.state_size)
            self.end_discriminator = Discriminator(
                seen._replace(action_size=0), END_HIDDEN, activation, seed + 400
            )
            self.end_optimiser = _adam(self.end_discriminator, self._end_strength.learning_rate)
        self.value_optimiser = _adam(self.value, VALUE_LEARNING_RATE)
        self._average = RunningAverage(self.policy_network.get_weights(), config.policy_averaging)

        demonstrated = None
        if config.demonstrated_share and self.demonstrations.every == 1:
            shown = self.demonstrations.recorded_episodes(spec)
            count = sum(len(e.actions) for e in shown)
            demonstrated = ReplayBuffer(count, spec, self.normaliser)
            for episode in shown:
                demonstrated.add(episode)
        self._batches = Batches(
            config,
            self.expert,
            expert_ends,
            self.policy_network.draw_noise,
            tf.function(self._model_errors),
            np.random.default_rng([seed, 2]),
            demonstrated,
        )
        self._unroll = config.compile != "xla"
        self._metrics = _METRICS + (_VALUE_METRICS if config.value_targets else ())
        if self._cloning_bound:
            self._metrics += _CLONING_METRICS
        # `_update` on every batch of a call, uncompiled and compiled
        self.run_updates: Callable[[Batch], tuple[Any, Any]] = functools.partial(
            repeat, self._update, count=config.updates_per_call, names=self._metrics
        )
        self._compiled_updates = tf.function(
            self.run_updates, jit_compile=config.compile != "graph"
        )
        self._updates = 0
        self._updates_per_step = config.updates_per_step  # known once the budget is
        self._restarting = keras.optimizers.schedules.CosineDecayRestarts(
            1.0, config.restart_period, config.restart_multiplier
        )

    @property
    def effective_config(self) -> MGAILConfig:
        """The settings, with what the rules have concluded by now where they were None."""
        rate, penalty, slope = self._strength
        return dataclasses.replace(
            self.config,
            updates_per_step=self._updates_per_step,
            gamma=self.gamma,
            log_std=self._log_std,
            policy_learning_rate=self._policy_rate,
            discriminator_learning_rate=rate,
            gradient_penalty=penalty,
            gradient_slope=slope,
        )

    def concluded(self) -> dict[str, Any]:
        """Return `effective_config`, and the components of a state that are seen (None: all)."""
        seen = self.normaliser.components
        return {
            "effective_config": dataclasses.asdict(self.effective_config),
            "seen_components": None if seen is None else seen.tolist(),
        }

    @property
    def policy(self) -> NumpyPolicy:
        """The policy that is scored, see `policy_averaging` and `match_tolerance`."""
        if self.finished_policy:
            return self.finished_policy
        kept = self._safeguard.kept if self._safeguard else []
        if not kept:
            return self._policy_with(self._average.weights)
        # weights that were kept long ago explored more then than is needed now
        return self._policy_with(kept)._replace(log_std=self.acting_policy.log_std)

    @property
    def acting_policy(self) -> NumpyPolicy:
        """The policy that acts in training: with the present weights."""
        return to_numpy(self.policy_network, self.normaliser, self.spec)

    def _policy_with(self, weights: list[np.ndarray]) -> NumpyPolicy:
        """Return the policy as it is with other weights."""
        present = self.policy_network.get_weights()
        self.policy_network.set_weights(weights)
        found = self.acting_policy
        self.policy_network.set_weights(present)
        return found

    def learn(
        self,
        env_steps: int | None = None,
        run_dir: str | Path | None = None,
        **options: Unpack[run.Options],
    ) -> "MGAIL":
        """Train for `env_steps` in all; see `training.run.learn` for the other arguments.

        Args:
            env_steps: None: the budget of the task that the environment is, or 100,000.

        Returns:
            The agent itself.
        """
        run.learn(self, env_steps, run_dir, **options)
        return self

    def iterate(self, env_steps: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Run Algorithm 1 up to `env_steps` in all.

        Yields:
            (environment steps so far, mean metrics of the updates), `updates_per_call` at a time.
        """
        config, collector = self.config, self._collector
        config.check_budget(env_steps)
        per_step = config.updates_per_step or rules.updates_per_step(env_steps, self._components)
        self._updates_per_step = per_step
        steps_per_call = config.steps_per_call(per_step)
        while (before := collector.env_steps) < env_steps:  # Line 2
            # Lines 3-6: act on the environment, push the steps into the buffer
            if self._updates:  # before them come the first steps
                progress = collector.env_steps / env_steps
                collector.limit = growing_limit(config.initial_episode_steps, progress)
                steps = min(steps_per_call, env_steps - collector.env_steps)
                acting = self.acting_policy
                if self._acts_since is None:
                    acting = self._policy_with(self._clone_weights)
                self._add(collector.collect(acting, steps))
            # Lines 7-14: train the forward model, the discriminator and the policy
            self._anneal(collector.env_steps / env_steps)
            metrics = self.update(self.sample_batches())
            del collector.finished[:-5]
            recent = np.mean(collector.finished or [(np.nan, np.nan)], 0)
            self._guard(before, env_steps)
            metrics |= {"return": float(recent[0]), "length": float(recent[1])}
            yield collector.env_steps, metrics

    def _guard(self, before: int, env_steps: int) -> None:
        """Beyond the paper: keep a policy that matches the demonstrations, and go back to it."""
        now = self._collector.env_steps
        if self._acts_since is None:
            steps = now - self.config.prefill_steps
            if steps >= self.config.clone_share * env_steps:
                self._acts_since = now
                if self._safeguard:
                    self._safeguard.judge_clone(self.buffer.newest(steps), self._clone_weights)
            return
        due = JUDGEMENTS * now // env_steps > JUDGEMENTS * before // env_steps
        steps = min(round(WINDOW * env_steps), now - self._acts_since)
        if not self._safeguard or not due or steps <= 0:
            return
        if self._safeguard.judge(self.buffer.newest(steps), self._average.weights):
            self._average.weights = list(self._safeguard.own)
            self.policy_network.set_weights(self._safeguard.own)
            self._caution *= SLOWER
            self._set_noise(now / env_steps)  # which is not what it was then

    def _add(self, episodes: list[Episode]) -> None:
        """Push episodes into the buffer."""
        for episode in episodes:
            self.buffer.add(episode)
            self.termination_cost.add(episode)
            if self._safeguard:
                self._safeguard.add(episode)

    def sample_batches(self) -> Batch:
        """Draw what one call of `update` is given, as constants."""
        batches = self._batches.draw(self.buffer, self.termination_cost.value())
        return tf.nest.map_structure(lambda x: None if x is None else tf.constant(x), batches)

    def update(self, batches: Batch) -> dict[str, float]:
        """Run `updates_per_call` updates of all networks, and average the policy's weights.

        Args:
            batches: as `sample_batches` draws them.

        Returns:
            Mean metrics of the updates.

        Raises:
            Diverged: a number is not finite.
        """
        count = self.config.updates_per_call
        result = self._compiled_updates(batches)
        metrics = read_metrics(result, self._metrics, count, self._updates)
        self._updates += count
        self._accuracy += ACCURACY_RATE * (metrics["discriminator_accuracy"] - self._accuracy)
        self._average.add(self.policy_network.get_weights())
        return metrics

    def _update(self, batch: Batch) -> dict[str, Any]:
        """Lines 7 to 14 of Algorithm 1 on one batch: a tape a network. Return what is measured."""
        config = self.config

        # Line 7: the forward model f, on recorded stretches
        with tf.GradientTape() as tape:
            error, termination_loss = forward_model_loss(
                self.model, batch.sequences, config.teacher_forced_steps, self._unroll
            )
            loss = error + termination_loss
        norms = minimise(loss, tape, self.model, self.model_optimiser)
        metrics = {"model_error": error, "termination_loss": termination_loss}
        metrics |= {"model_gradient": norms[0], "model_weights": norms[1]}
        soft_update(self.ema_model, self.model, config.model_ema_rate)  # the copy imagines

        # Line 8, Eq. 3: the discriminator D(s, a) = P(agent | s, a), Eq. 6
        with tf.GradientTape() as tape:
            loss, judged = discriminator_loss(
                self.discriminator,
                batch.agent,
                batch.expert,
                batch.mix,
                self._strength.penalty,
                self._strength.slope,
            )
        norms = minimise(loss, tape, self.discriminator, self.discriminator_optimiser)
        metrics |= judged
        metrics |= {"discriminator_gradient": norms[0], "discriminator_weights": norms[1]}
        if self._judges_ends:
            self._update_end_discriminator(batch)
        ending = self.cost_of_ending(batch.agent, batch.termination_cost)

        # Lines 9-14: the policy. J of Section 3.4 sums gamma^t D(s_t, a_t). Here a cost stands for
        # D, -log(1 - D) by default: its gradient does not vanish where D is 1, where the agent is
        # told apart, as that of D and of Eq. 3's log D does
        with tf.GradientTape() as tape:
            trajectory = self._rollout(batch)  # actions by Eq. 10, states by f (Eq. 11)
            costs = policy_cost(self.discriminator(*_pairs(trajectory)), config.cost)  # c_t
            dead = ending(trajectory.states[1:])
            to_go = self._costs_to_go(costs, trajectory, dead)  # discounted
            first = to_go[0]
            if config.rollout == "replay":
                first = first_recorded(to_go, trajectory.mask)
            loss = tf.reduce_mean(first) / (config.horizon * (1.0 - self.gamma))  # J, per step
            if config.bc_weight:  # beyond the paper
                loss += config.bc_weight * cloning_loss(self.policy_network, *batch.expert)
        # Lines 10-13, Eq. 12-13: the tape's backward pass through D, pi and f, from t = T to 0
        follow = functools.partial(minimise, loss, tape, self.policy_network, self.policy_optimiser)
        if self._cloning_bound is None:
            norms = follow()  # Line 14
        else:  # beyond the paper
            error = cloning_error(self.policy_network, *batch.expert)
            clones = error > self._cloning_bound
            norms = tf.cond(clones, functools.partial(self._clone, batch.expert), follow)
            metrics |= {"cloning_error": error, "cloning_share": tf.cast(clones, error.dtype)}
        alive = tf.reduce_mean(tf.reduce_prod(trajectory.continuation, 0))
        metrics |= {"policy_cost": masked_mean(costs, trajectory.mask), "continuation": alive}
        metrics |= {"termination_cost": tf.reduce_mean(dead)}
        metrics |= {"policy_gradient": norms[0], "policy_weights": norms[1]}

        # Beyond the paper: a value function of what lies beyond the horizon
        if config.value_targets:
            learnt = []  # (states [T, B, S], targets [T, B], mask [T, B])
            if config.value_targets != "recorded":
                mask = trajectory.mask
                if config.value_targets == "both":  # what follows an imagined end counts less
                    mask *= tf.math.cumprod(trajectory.continuation, 0, exclusive=True)
                learnt.append((trajectory.states[:-1], to_go, mask))
            if config.value_targets != "imagined":
                recorded, recorded_to_go = self._judge(batch, ending)
                learnt.append((recorded.states[:-1], recorded_to_go, recorded.mask))
            states, targets, mask = (
                tf.stop_gradient(tf.concat(parts, 1)) for parts in zip(*learnt, strict=True)
            )
            with tf.GradientTape() as tape:
                loss = value_loss(self.value, states, targets, mask)
            norms = minimise(loss, tape, self.value, self.value_optimiser)
            metrics |= {"value_loss": loss, "value_target": masked_mean(targets, mask)}
            metrics |= {"value_gradient": norms[0], "value_weights": norms[1]}
            soft_update(self.target_value, self.value, VALUE_TARGET_RATE)
        return metrics

    def _clone(self, expert: StateActions) -> tuple[Any, Any]:
        """Take a step of cloning, with an optimiser of its own; return norms as `minimise` does."""
        with tf.GradientTape() as tape:
            loss = cloning_loss(self.policy_network, *expert)
        return minimise(loss, tape, self.policy_network, self.cloning_optimiser)

    def _update_end_discriminator(self, batch: Batch) -> None:
        """Learn to tell the states in which the agent's episodes end from the demonstrations'."""
        none = tf.zeros([self.config.discriminator_batch, 0])  # no actions
        with tf.GradientTape() as tape:
            loss, _ = discriminator_loss(
                self.end_discriminator,
                StateActions(batch.ends, none),
                StateActions(batch.expert_ends, none),
                batch.mix,
                self._end_strength.penalty,
                self._end_strength.slope,
            )
        minimise(loss, tape, self.end_discriminator, self.end_optimiser)

    def cost_of_ending(self, agent: StateActions, value: Any) -> Callable[[Any], Any]:
        """Return the cost after an end as a function of the states [T, B, S] reached.

        Args:
            agent: the agent's pairs [D, ...], by which living is judged.
            value: [] from `termination_cost.value`.
        """
        living = tf.reduce_mean(policy_cost(self.discriminator(*agent), self.config.cost))

        def cost(states):
            where = None
            if self._judges_ends:
                where = self.end_discriminator(states, tf.zeros([*states.shape[:-1], 0]))
            return self.termination_cost.at(value, where, living)

        return cost

    def _rollout(self, batch: Batch) -> Trajectory:
        """Roll T steps out, from recorded states; the GRU is warmed up on the steps before them."""
        config, warm = self.config, self.config.burn_in_steps
        states, actions, _, mask = batch.starts
        hidden = burn_in(self.ema_model, states[:warm], actions[:warm], mask[:warm])
        dynamics = dynamics_of(self.ema_model)
        if config.rollout == "replay":
            recorded = Sequences(*(x[warm:] for x in batch.starts))
            return replay_rollout(
                self.policy_network, dynamics, recorded, hidden, batch.noise, self._unroll
            )
        if not config.predict_termination:
            dynamics = never_terminating(dynamics)
        if batch.model_errors is not None:
            dynamics = with_errors(dynamics, batch.model_errors)
        options = {}
        if config.state_gradient_clip:
            # one trajectory's J has the weight 1 / (B T) in the loss, and so has the limit
            limit = config.state_gradient_clip / (config.policy_batch * config.horizon)
            options["see"] = clip_state_gradient(limit)
        return imagine(
            self.policy_network,
            dynamics,
            states[warm],
            hidden,
            batch.noise,
            self._unroll,
            **options,
        )

    def _costs_to_go(self, costs: Any, trajectory: Trajectory, termination_cost: Any) -> Any:
        """Return the discounted costs [T, B] from each step on, beyond the horizon by the value."""
        config = self.config
        values = self.target_value(trajectory.states[1:]) if config.value_targets else None
        return lambda_costs(
            costs,
            trajectory.continuation,
            values,
            self.gamma,
            config.td_lambda,
            termination_cost,
        )

    def _judge(self, batch: Batch, ending: Callable[[Any], Any]) -> tuple[Trajectory, Any]:
        """Return recorded stretches as a trajectory, and their costs to go [T, B] by D."""
        assert batch.recorded is not None
        states, actions, terminated, mask = batch.recorded
        recorded = Trajectory(states, actions, 1.0 - terminated, mask)
        costs = policy_cost(self.discriminator(*_pairs(recorded)), self.config.cost)
        return recorded, self._costs_to_go(costs, recorded, ending(recorded.states[1:]))

    def _model_errors(self, recorded: Sequences) -> Any:
        """Return s' - f(s, a) [B, S] of the last steps of stretches, by the model that imagines."""
        states, actions, _, mask = recorded
        hidden = burn_in(self.ema_model, states[:-2], actions[:-1], mask[:-1])
        return states[-1] - self.ema_model(states[-2], actions[-1], hidden).next_states

    @property
    def _policy_rate(self) -> float:
        """The policy's learning rate on J, before it is annealed."""
        return self.config.policy_learning_rate or rules.policy_rate(self._accuracy, self._telling)

    def _anneal(self, progress: float) -> None:
        """Set what changes over the run: learning rates and the policy's standard deviation."""
        config = self.config
        constant = config.learning_rate_schedule == "constant"
        left = 1.0 if constant else 1.0 - 0.9 * progress
        self.policy_optimiser.learning_rate = left * self._caution * self._policy_rate
        self.cloning_optimiser.learning_rate = left * config.cloning_learning_rate
        if config.learning_rate_schedule == "cosine_restarts":
            left = float(self._restarting(self._updates))
        self.model_optimiser.learning_rate = left * config.model_learning_rate
        self.discriminator_optimiser.learning_rate = left * self._strength.learning_rate
        if self._judges_ends:
            self.end_optimiser.learning_rate = left * self._end_strength.learning_rate
        self._set_noise(progress)

    def _set_noise(self, progress: float) -> None:
        """Set the policy's standard deviation after a share of the run."""
        if not self.spec.discrete:
            first, last = self._log_std
            now = first + progress * (last - first)
            self.policy_network.log_std.assign(tf.fill([self.spec.action_size], now))

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return diagnostics of the networks on evaluation episodes, which are never learnt from.

        See `agents.mgail.diagnostics`; `training_match` is the safeguard's last distance.
        """
        last = self._safeguard.last if self._safeguard else math.nan
        return {"training_match": last} | diagnostics.measure(
            self.ema_model,
            self.discriminator,
            self.normaliser,
            self.spec,
            self.expert,
            episodes,
            (1, 5, self.config.horizon),
            self.config.burn_in_steps,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {**super().state_dict(), "normaliser": _arrays(self.normaliser)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked.

        Raises:
            ValueError: the first steps, from which the scales of states follow, were others then.
        """
        for found, expected in zip(saved["normaliser"], _arrays(self.normaliser), strict=True):
            if found.shape != expected.shape or not np.allclose(found, expected, 1e-3, 0.0):
                raise ValueError(
                    "the first steps were others, as of an environment whose randomness is not all "
                    "of np_random"
                )
        super().load_state_dict(saved)

    def _parts(self) -> dict[str, Any]:
        ends = {}
        if self._judges_ends:
            ends = {
                "end_discriminator": self.end_discriminator,
                "end_optimiser": self.end_optimiser,
            }
        return ends | {
            "policy": self.policy_network,
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
            "average": self._average,
            "termination_cost": self.termination_cost,
            **({"safeguard": self._safeguard} if self._safeguard else {}),
            "batches": self._batches,
            "buffer": self.buffer,
            "collector": self._collector,
        }


def _strength(config: MGAILConfig, samples: int, components: int) -> rules.Strength:
    """Return the strength of a discriminator, by settings or by rule."""
    given = {
        "learning_rate": config.discriminator_learning_rate,
        "penalty": config.gradient_penalty,
        "slope": config.gradient_slope,
    }
    found = {name: value for name, value in given.items() if value is not None}
    return rules.discriminator_strength(samples, components)._replace(**found)


def _normaliser(
    config: MGAILConfig,
    spec: Spec,
    shown: np.ndarray,
    first: list[Episode],
    demonstrations: Demonstrations,
) -> Normaliser:
    """Return what the networks see of a state, by settings or by rule.

    Args:
        shown: demonstrated states [M, S] that are learnt from.
        first: the first steps.

    Raises:
        BadInput: a state has fewer components than are to be seen.
    """
    steps, components = rules.steps_of(first, spec), None
    if config.observation_components == "foreseen":
        whole = None
        if demonstrations.every == 1:
            whole = rules.steps_of(demonstrations.recorded_episodes(spec), spec)
        components = rules.seen_components(shown, steps, whole)
    elif config.observation_components is not None:
        found = config.observation_components
        if found > spec.state_size:
            expected = f"at most {spec.state_size}"
            raise BadInput(f"observation_components: found {found}, expected {expected}")
        components = np.arange(found)
    floor: Any = config.normaliser_floor
    if floor is None:
        seen = spec.state_size if components is None else len(components)
        floor = rules.smallest_scales(
            steps.states, rules.are_few(len(shown), seen + spec.action_size)
        )
    return fit(shown, floor, config.state_clip, components)


def _arrays(normaliser: Normaliser) -> list[np.ndarray]:
    """Return what a normaliser is made of: mean, deviation, and which components are seen."""
    seen = normaliser.components
    return [normaliser.mean, normaliser.std, np.zeros(0) if seen is None else seen]


def _adam(network: Any, rate: float, clip: float = GRADIENT_CLIP) -> Any:
    optimiser = keras.optimizers.Adam(rate, global_clipnorm=clip)
    optimiser.build(network.trainable_variables)
    return optimiser


def _pairs(trajectory: Trajectory) -> StateActions:
    """Return the pairs [T, B, ...] that D judges."""
    return StateActions(trajectory.states[:-1], trajectory.actions)
