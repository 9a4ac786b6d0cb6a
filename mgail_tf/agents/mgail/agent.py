"""MGAIL (Algorithm 1): the policy follows D's exact gradient through a learned forward model.

`iterate` is the algorithm's loop; its Lines 7 to 14 are in `agents.mgail.learner`. docs/method.md
lists what differs from the paper.
"""

import dataclasses
import math
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail import diagnostics, rules
from mgail_tf.agents.mgail.batches import Batch, Batches, Rollouts
from mgail_tf.agents.mgail.learner import Learner, Settled
from mgail_tf.agents.mgail.safeguard import JUDGEMENTS, WINDOW, Safeguard
from mgail_tf.agents.mgail.termination_cost import TerminationCost, terminations_of
from mgail_tf.config.algorithms import BCConfig, MGAILConfig
from mgail_tf.config.tasks import settings_of, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.data.normaliser import Normaliser, fit
from mgail_tf.data.replay import ReplayBuffer
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.envs.rollout import Collector, RandomPolicy, growing_limit
from mgail_tf.errors import BadInput
from mgail_tf.networks.cloning import Clone, clone
from mgail_tf.networks.ema import RunningAverage
from mgail_tf.networks.policy import to_numpy, trunk
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import run
from mgail_tf.training.agent import Agent
from mgail_tf.types import Episode, Spec, StateActions

ACCURACY_RATE = 0.1  # by which the discriminator's mean accuracy follows it, per call
SLOWER = 0.5  # the policy's rate falls to this share whenever it has gone astray
FIRST_LOG_STD = -1.2  # of the first, random actions, where settings do not say


class MGAIL(Agent):
    """Model-based adversarial imitation: the paper's Algorithm 1, acting, recording and learning.

    Attributes:
        learner: policy, discriminator, forward model and value, and their update.
        buffer: the steps so far.
        expert: the standardised pairs that are learnt from.
    """

    algorithm, unit = "mgail", "env_steps"
    diagnostic_columns = (*diagnostics.COLUMNS, "training_match")
    _plain = ("_accuracy", "_caution", "_acts_since")

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
        self.env, self.seed = env, (seed := operator.index(seed))
        environment = make(env, seed)
        self.spec = spec = environment.spec
        self.config: MGAILConfig = settings_of("mgail", task_of(spec), config)
        config = self.config
        self.demonstrations = fitting(demonstrations, spec)

        self._collector = Collector(environment, np.random.default_rng([seed, 1]))
        self._collector.limit = config.initial_episode_steps
        expert = self.demonstrations.pairs(spec)
        random = RandomPolicy(spec, np.exp(config.log_std[0] if config.log_std else FIRST_LOG_STD))
        first = self._collector.collect(random, config.prefill_steps)
        self.normaliser = _normaliser(config, spec, expert.states, first, self.demonstrations)
        self.expert = StateActions(self.normaliser(expert.states), expert.actions)
        self.buffer = ReplayBuffer(config.replay_capacity, spec, self.normaliser)
        endings = terminations_of(self.demonstrations)
        scale = rules.time_scale(first, self.normaliser.components)
        steps = config.horizon or rules.horizon(scale)
        count = config.policy_batch or max(1, round(rules.IMAGINED / steps))
        self._rollouts = Rollouts(steps, count)
        self.gamma = config.gamma or rules.discount(
            steps, endings.lengths, self.demonstrations.mostly_terminate
        )
        self.termination_cost = TerminationCost(
            endings, config.cost, self.gamma, config.termination_cost
        )
        expert_ends = None
        if self.termination_cost.judged and self.demonstrations.ends_recorded:
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
        self._accuracy = 1.0  # running mean of the discriminator's: at first all can be told apart
        self._caution = 1.0  # share of the policy's rate that is left after it went astray
        self._acts_since = 0  # step at which the policy began to act, or last went back
        cloned = self._fit_clone(seen)
        error = cloned.error if cloned else math.nan
        self._settled = Settled(
            self.gamma,
            config.log_std or rules.exploration(error, spec.action_size),
            _strength(config, pairs, components),
            None if expert_ends is None else _strength(config, len(expert_ends), seen.state_size),
            config.cloning_bound * error if config.cloning_bound else None,
        )
        self.learner = Learner(
            seen, config, self._settled, self.termination_cost, self._policy_rate, seed
        )
        self._clone_weights: list[np.ndarray] = []
        if cloned:
            present = self.learner.policy.get_weights()
            trunk(self.learner.policy).set_weights(trunk(cloned.network).get_weights())
            self._clone_weights = self.learner.policy.get_weights()
            self.learner.policy.set_weights(present)
        self._average = RunningAverage(self.learner.policy.get_weights(), config.policy_averaging)
        self._batches = Batches(
            config,
            self._rollouts,
            self.expert,
            expert_ends,
            self.learner.policy.draw_noise,
            tf.function(self.learner.model_errors),
            np.random.default_rng([seed, 2]),
            self._demonstrated_steps(),
        )
        self._updates_per_step = config.updates_per_step  # known once the budget is

    @property
    def effective_config(self) -> MGAILConfig:
        """The settings, with the numbers that rules have concluded by now where they were None."""
        rate, penalty, slope = self._settled.strength
        return dataclasses.replace(
            self.config,
            horizon=self._rollouts.horizon,
            policy_batch=self._rollouts.batch,
            updates_per_step=self._updates_per_step,
            gamma=self.gamma,
            log_std=self._settled.log_std,
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
        return to_numpy(self.learner.policy, self.normaliser, self.spec)

    def _policy_with(self, weights: list[np.ndarray]) -> NumpyPolicy:
        """Return the policy as it is with other weights."""
        present = self.learner.policy.get_weights()
        self.learner.policy.set_weights(weights)
        found = self.acting_policy
        self.learner.policy.set_weights(present)
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
        steps_per_call = config.steps_per_call(per_step)
        self._updates_per_step = config.updates_per_step or config.updates_per_call / steps_per_call
        if not self.learner.updates:
            self._try_clone(int(config.clone_share * (env_steps - collector.env_steps)))
            self._acts_since = collector.env_steps
        while (before := collector.env_steps) < env_steps:  # Line 2
            # Lines 3-6: act on the environment, push the steps into the buffer
            if self.learner.updates:  # before them come the first steps
                progress = collector.env_steps / env_steps
                collector.limit = growing_limit(config.initial_episode_steps, progress)
                steps = min(steps_per_call, env_steps - collector.env_steps)
                self._add(collector.collect(self.acting_policy, steps))
            # Lines 7-14: train the forward model, the discriminator and the policy
            self._anneal(collector.env_steps / env_steps)
            metrics = self.update(self.sample_batches())
            del collector.finished[:-5]
            recent = np.mean(collector.finished or [(np.nan, np.nan)], 0)
            self._guard(before, env_steps)
            metrics |= {"return": float(recent[0]), "length": float(recent[1])}
            yield collector.env_steps, metrics

    def _try_clone(self, steps: int) -> None:
        """Beyond the paper: act as a clone of the demonstrations, and judge its steps.

        Where no episode ends within them, it goes on to the time limit, if that takes no more
        than as many steps again.
        """
        if not steps:
            return
        clone, collector = self._policy_with(self._clone_weights), self._collector
        ended = len(collector.finished)
        self._add(collector.collect(clone, steps), of_agent=False)
        left = self.spec.max_steps - collector.length
        if len(collector.finished) == ended and left <= steps:
            self._add(collector.collect(clone, left), of_agent=False)
            steps += left
        if self._safeguard:
            self._safeguard.judge_clone(self.buffer.newest(steps), self._clone_weights)

    def _guard(self, before: int, env_steps: int) -> None:
        """Beyond the paper: keep a policy that matches the demonstrations, and go back to it."""
        now = self._collector.env_steps
        due = JUDGEMENTS * now // env_steps > JUDGEMENTS * before // env_steps
        steps = round(WINDOW * env_steps)
        # fewer steps hold so few episodes that chance makes them alike
        if not self._safeguard or not due or now - self._acts_since < steps:
            return
        if self._safeguard.judge(self.buffer.newest(steps), self._average.weights):
            self._average.weights = list(self._safeguard.own)
            self.learner.policy.set_weights(self._safeguard.own)
            self._caution *= SLOWER
            self._acts_since = now
            self.learner.set_noise(now / env_steps)  # which is not what it was then

    def _add(self, episodes: list[Episode], of_agent: bool = True) -> None:
        """Push episodes into the buffer.

        Args:
            of_agent: the discriminators learn from them what the agent does and where it ends.
        """
        for episode in episodes:
            self.buffer.add(episode, of_agent)
            self.termination_cost.add(episode, of_agent)
            if self._safeguard:
                self._safeguard.add(episode)

    def _fit_clone(self, seen: Spec) -> Clone | None:
        """Return a clone of the demonstrations; None: the settings need none."""
        config = self.config
        if not (config.cloning_bound or config.clone_share or not config.log_std):
            return None
        cloning = BCConfig(hidden=config.policy_hidden, activation=config.policy_activation)
        return clone(seen, self.expert, cloning, self.seed)

    def _demonstrated_steps(self) -> ReplayBuffer | None:
        """Return the demonstrations' steps to draw from; None: none is drawn."""
        if not self.config.demonstrated_share or self.demonstrations.every > 1:
            return None
        shown = self.demonstrations.recorded_episodes(self.spec)
        steps = ReplayBuffer(sum(len(e.actions) for e in shown), self.spec, self.normaliser)
        for episode in shown:
            steps.add(episode)
        return steps

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
        metrics = self.learner.update(batches)
        self._accuracy += ACCURACY_RATE * (metrics["discriminator_accuracy"] - self._accuracy)
        self._average.add(self.learner.policy.get_weights())
        return metrics

    @property
    def _policy_rate(self) -> float:
        """The policy's learning rate on J, before it is annealed."""
        return self.config.policy_learning_rate or rules.policy_rate(self._accuracy, self._telling)

    def _anneal(self, progress: float) -> None:
        """Set what changes over the run, see `Learner.anneal`."""
        self.learner.anneal(progress, self._caution * self._policy_rate)

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return diagnostics of the networks on evaluation episodes, which are never learnt from.

        See `agents.mgail.diagnostics`; `training_match` is the safeguard's last distance.
        """
        last = self._safeguard.last if self._safeguard else math.nan
        return {"training_match": last} | diagnostics.measure(
            self.learner.ema_model,
            self.learner.discriminator,
            self.normaliser,
            self.spec,
            self.expert,
            episodes,
            (1, 5, self._rollouts.horizon),
            self.config.burn_in_steps,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        concluded = {"normaliser": _arrays(self.normaliser), "numbers": self._numbers}
        return {**super().state_dict(), **concluded}

    @property
    def _numbers(self) -> list[float]:
        """What else follows from the first steps."""
        return [*self._rollouts, self.gamma]

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked.

        Raises:
            ValueError: the first steps were others then, from which settings and the scales of
                states follow.
        """
        held = [*saved["normaliser"], np.array(saved["numbers"])]
        present = [*_arrays(self.normaliser), np.array(self._numbers)]
        for found, expected in zip(held, present, strict=True):
            if found.shape != expected.shape or not np.allclose(found, expected, 1e-3, 0.0):
                raise ValueError(
                    "the first steps were others, as of another seed, or of an environment whose "
                    "randomness is not all of np_random"
                )
        super().load_state_dict(saved)

    def _parts(self) -> dict[str, Any]:
        return {
            "learner": self.learner,
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
