"""Imitation by asking: Forward Training, SMILe (Ross & Bagnell 2010) and DAgger (Ross et al. 2011).

Cloning learns from the states that the expert visits, and errs where its own errors lead (Section
2.2 of the paper). These three ask a queryable expert about states that the learnt policies visit.
Every policy is cloned as `agents.bc` clones; what differs is whose states it learns from:
Forward Training has one policy for each step, each for the states that those before it reach;
SMILe mixes policies, each for the states that the mixture before it visits;
DAgger has one policy, for all states that it has visited so far.

An expert answers with its mean or most probable action. `expert_queries` counts the answers that
are learnt from, `expert_steps` the environment steps in which the expert itself acted.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.config.algorithms import DAggerConfig, ForwardTrainingConfig, SMILeConfig
from mgail_tf.config.tasks import TASKS, settings_of, task_of
from mgail_tf.envs.gym_env import LONGEST_EPISODE, EnvLike, make
from mgail_tf.envs.rollout import Collector, Policy
from mgail_tf.errors import BadInput
from mgail_tf.networks.cloning import Cloning
from mgail_tf.policies.composed import MixturePolicy, NonstationaryPolicy, stacked, unstacked
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.policies.queried import Expert, QueriedExpert, queried_expert
from mgail_tf.training import run
from mgail_tf.training.agent import Agent
from mgail_tf.types import Spec, StateActions

DEFAULT_TRAJECTORIES = 25  # that the queries are worth where nobody says how many
LARGEST_POLICY = 512 << 20  # bytes of a policy with a network for each step


def smile_weights(alpha: float, count: int) -> tuple[float, np.ndarray]:
    """Return the expert's probability in SMILe's mixture after `count` iterations, and the others'.

    Unrolled, pi_t = pi_t-1 + alpha (1 - alpha)^(t-1) (pihat_t - pi_0) is (1 - alpha)^t pi_0 plus
    the sum of alpha (1 - alpha)^(j-1) pihat_j over j = 1 to t.

    Returns:
        (probability of pi_0, probabilities [count]), which sum to 1.
    """
    return (1.0 - alpha) ** count, alpha * (1.0 - alpha) ** np.arange(count)


class _WithExpert:
    """At every step the expert acts with some probability, else a policy."""

    def __init__(self, expert: QueriedExpert, share: float, policy: Policy | None, sampled: bool):
        """Take what acts.

        Args:
            share: the expert's probability; 1 where there is no policy.
            sampled: the policy acts as sampled, not with its most probable action.
        """
        self._expert, self._share, self._policy, self._sampled = expert, share, policy, sampled
        self.expert_acted: list[bool] = []  # at each step so far

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return an action [A] for one state [S]."""
        assert rng is not None  # it is rolled out as sampled
        self.expert_acted.append(self._policy is None or rng.random() < self._share)
        if self._policy is None or self.expert_acted[-1]:
            return self._expert.act(state, None)
        return self._policy.act(state, rng if self._sampled else None)


class _ThenExpert:
    """One policy for each step, and the expert after the last one."""

    def __init__(self, members: list[NumpyPolicy], expert: QueriedExpert):
        self._members, self._expert = members, expert

    def at(self, step: int) -> Policy:
        """Return what acts at a step."""
        return self._members[step] if step < len(self._members) else self._expert


class Visits(Resumable):
    """Rolls policies out and asks the expert about the states that they visit.

    Attributes:
        env_steps, expert_queries, expert_steps: counted so far, see the module.
    """

    _plain = ("expert_queries", "expert_steps")

    def __init__(self, env: EnvLike, expert: Expert, seed: int):
        """Make the environment, and take an expert that fits it.

        Raises:
            BadInput: one of them will not do.
        """
        environment, self._env = make(env, seed), env
        self.spec = environment.spec
        self.task = task_of(self.spec)
        self.expert = queried_expert(expert, self.spec, self.task)
        self._collector = Collector(environment, np.random.default_rng([seed, 1]))
        self._rng = np.random.default_rng([seed, 2])
        self.expert_queries = self.expert_steps = 0

    @property
    def env_steps(self) -> int:
        """Environment steps taken so far."""
        return self._collector.env_steps

    @functools.cached_property
    def expert_length(self) -> float:
        """Mean length of the expert's episodes."""
        return self.expert.length(self.task, self._env)

    def pairs(
        self, policy: Policy | None, share: float, count: int, every: int, sampled: bool
    ) -> StateActions:
        """Roll whole episodes out, and ask about `count` of the states visited.

        Episodes offer one state in `every`, from a random offset on, as demonstrations do; of those
        offered `count` are drawn. Where the expert has acted its action is its answer.

        Args:
            policy: None: the expert acts alone.
            share: probability with which the expert acts, at each step.
            sampled: the policy acts as sampled.

        Returns:
            States [count, S] as observed and the expert's actions [count, A].
        """
        states, answers, known, offered = [], [], [], 0
        while offered < count:
            mixed = _WithExpert(self.expert, share, policy, sampled)
            episode = self._collector.run_episode(mixed, stochastic=True)
            self.expert_steps += sum(mixed.expert_acted)
            kept = slice(self._rng.integers(min(every, len(episode.actions))), None, every)
            states.append(episode.states[:-1][kept])
            answers.append(episode.samples[kept])
            known.append(np.array(mixed.expert_acted)[kept])
            offered += len(states[-1])
        chosen = np.sort(self._rng.permutation(offered)[:count])
        pairs = StateActions(np.concatenate(states)[chosen], np.concatenate(answers)[chosen])
        asked = ~np.concatenate(known)[chosen]
        if asked.any():
            pairs.actions[asked] = self.expert(pairs.states[asked])
        self.expert_queries += count
        return pairs

    def pairs_after(self, members: list[NumpyPolicy], episodes: int) -> StateActions | None:
        """Return the states that policies for the first steps reach, and the expert's actions.

        Args:
            members: a policy for each of the first t steps.
            episodes: how many; of those that end sooner there is no state.

        Returns:
            States [n, S], n <= episodes, and actions [n, A]; None where no episode gets so far.
        """
        step = len(members)
        self._collector.limit = step + 1
        pairs = []
        for _ in range(episodes):
            acting = _ThenExpert(members, self.expert)
            episode = self._collector.run_episode(acting, stochastic=False)
            if len(episode.actions) > step:
                pairs.append((episode.states[step], episode.samples[step]))
        self.expert_queries += len(pairs)
        self.expert_steps += len(pairs)
        return StateActions(*map(np.stack, zip(*pairs, strict=True))) if pairs else None

    def metrics(self) -> dict[str, float]:
        """Return the counts, and the means of the episodes that have ended since it was asked."""
        means = np.mean(self._collector.finished or [(np.nan, np.nan)], 0)
        self._collector.finished.clear()
        return {
            "env_steps": self.env_steps,
            "expert_steps": self.expert_steps,
            "return": float(means[0]),
            "length": float(means[1]),
        }

    def _parts(self) -> dict[str, Any]:
        return {"collector": self._collector, "rng": self._rng}


class _Members(Resumable):
    """The policies learnt so far."""

    def __init__(self, spec: Spec, hidden: Sequence[int]):
        self._spec, self._sizes = spec, [*hidden, spec.action_size]
        self.policies: list[NumpyPolicy] = []

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        if not self.policies:
            return {}
        return {
            name: value
            if isinstance(value, np.ndarray) and value.ndim
            else np.asarray(value).item()
            for name, value in stacked(self.policies).items()
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked."""
        self.policies = [*unstacked(saved, self._spec, "policies")] if saved else []
        for policy in self.policies[:1]:
            if (found := [bias.size for bias in policy.weights[1::2]]) != self._sizes:
                raise ValueError(f"policies: found layers of {found}, expected {self._sizes}")


def _shares(total: int, iterations: int) -> list[int]:
    """Return how many of the queries each iteration has; each has one at least.

    Raises:
        BadInput: there is none.
    """
    if total < 1:
        raise BadInput(f"expert_queries: found {total}, expected at least 1")
    iterations = min(iterations, total)
    return [(total + i) // iterations for i in range(iterations)]


def _every(config: SMILeConfig | DAggerConfig, task: str) -> int:
    """Return the interval of the states that the expert is asked about."""
    return config.query_every or (TASKS[task].subsample if task in TASKS else 1)


def _learnt(algorithm: str, members: _Members) -> list[NumpyPolicy]:
    if not members.policies:
        raise BadInput(f"{algorithm}: found no policy, expected learn() before")
    return members.policies


class ForwardTraining(Agent):
    """One policy for each step, up to the environment's time limit T (Ross & Bagnell 2010, FT)."""

    algorithm, unit = "forward_training", "expert_queries"
    demonstrations, query_every = None, 1

    def __init__(
        self,
        env: EnvLike,
        expert: Expert = None,
        config: ForwardTrainingConfig | None = None,
        seed: int = 0,
    ):
        """Take environment and expert.

        Args:
            env: an environment, a function that makes one, the name of a task, or a Gymnasium id.
            expert: a function of states [N, S] to actions in environment units ([N, A], or the
                numbers [N] of discrete ones), a policy, the path of a policy.npz or SavedModel, or
                None: the committed expert of the task that the environment is.
            config: None: the defaults.
            seed: fixes the environment, the initial weights and everything that is drawn.

        Raises:
            BadInput: the environment or the expert will not do; there is no time limit, or one so
                long that the policies would not fit into memory.
        """
        self.env, self.seed = env, (seed := operator.index(seed))
        self.visits = Visits(env, expert, seed)
        self.spec = self.visits.spec
        self.config: ForwardTrainingConfig = settings_of(
            "forward_training", self.visits.task, config
        )
        self._check_horizon()
        self._cloning = Cloning(self.spec, self.config, seed)
        self._members = _Members(self.spec, self.config.hidden)

    def _check_horizon(self) -> None:
        """Refuse a horizon that is none, or too long."""
        spec, others = self.spec, "smile and dagger need no limit"
        if spec.max_steps >= LONGEST_EPISODE:
            found = f"found {spec.max_steps} steps, as of an environment without a time limit"
            expected = f"expected a time limit below {LONGEST_EPISODE} (horizon); {others}"
            raise BadInput(f"{spec.env_id}: horizon: {found}, {expected}")
        sizes = [spec.state_size, *self.config.hidden, spec.action_size]
        weights = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
        needed = spec.max_steps * (4 * weights + 16 * spec.state_size)
        if needed > LARGEST_POLICY:
            found = f"found {spec.max_steps} steps, whose policies take {needed >> 20} MiB"
            expected = f"expected at most {LARGEST_POLICY >> 20} MiB (horizon, hidden)"
            raise BadInput(f"{spec.env_id}: horizon: {found}, {expected}; {others}")

    @property
    def policy(self) -> NonstationaryPolicy:
        """The policies learnt so far; the last one acts at all later steps."""
        learnt = self.finished_policy
        return learnt or NonstationaryPolicy(tuple(_learnt(self.algorithm, self._members)))

    def learn(
        self,
        expert_queries: int | None = None,
        run_dir: str | Path | None = None,
        **options: Unpack[run.Options],
    ) -> "ForwardTraining":
        """Train on so many queries; see `training.run.learn` for the other arguments.

        Args:
            expert_queries: at most so many, a Tth of them for each step. None: as many as there are
                in 25 trajectories.

        Returns:
            The agent itself.
        """
        total = expert_queries
        if total is None:
            total = self.worth(DEFAULT_TRAJECTORIES)
        self._check(total)
        run.learn(self, total, run_dir, **options)
        return self

    def iterate(self, expert_queries: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Train one step's policy after the other; yield (queries so far, metrics).

        Training ends before the time limit where no episode gets so far.
        """
        self._check(expert_queries)
        members = self._members.policies
        for step in range(len(members), self.spec.max_steps):
            # the states at this step under the policies of the steps before it
            pairs = self.visits.pairs_after(members, expert_queries // self.spec.max_steps)
            if pairs is None:
                return
            policy, fitted = self._cloning.policy(pairs, step)
            members.append(policy)
            metrics = {"step": step, "held_out_loss": fitted.best, "epochs": fitted.epochs}
            yield self.visits.expert_queries, metrics | self.visits.metrics()

    def _check(self, expert_queries: int) -> None:
        if expert_queries < self.spec.max_steps:
            expected = f"at least {self.spec.max_steps}, one for each step up to the time limit"
            raise BadInput(f"expert_queries: found {expert_queries}, expected {expected}")

    def worth(self, trajectories: int) -> int:
        """Return the number of queries that trajectories up to the time limit are worth."""
        return trajectories * self.spec.max_steps

    def _parts(self) -> dict[str, Any]:
        return {"visits": self.visits, "members": self._members}


class _InIterations(Agent):
    """What SMILe and DAgger share: queries that are shared out equally by iterations."""

    algorithm = ""
    unit, demonstrations = "expert_queries", None

    def _begin(self, env: EnvLike, expert: Expert, config: Any, seed: int) -> None:
        self.env, self.seed = env, (seed := operator.index(seed))
        self.visits = Visits(env, expert, seed)
        self.spec = self.visits.spec
        self.config = settings_of(self.algorithm, self.visits.task, config)
        self.query_every = _every(self.config, self.visits.task)
        self._cloning = Cloning(self.spec, self.config, seed)
        self._members = _Members(self.spec, self.config.hidden)

    def learn(
        self,
        expert_queries: int | None = None,
        run_dir: str | Path | None = None,
        **options: Unpack[run.Options],
    ) -> Self:
        """Train on so many queries; see `training.run.learn` for the other arguments.

        Args:
            expert_queries: shared equally by the iterations. None: as many as there are in 25
                trajectories, sub-sampled by `query_every`.

        Returns:
            The agent itself.
        """
        total = expert_queries
        if total is None:
            total = self.worth(DEFAULT_TRAJECTORIES)
        _shares(total, self.config.iterations)  # refused before a folder is made
        agent: Any = self  # a subclass, which has a policy and iterates
        run.learn(agent, total, run_dir, **options)
        return self

    def worth(self, trajectories: int) -> int:
        """Return how many pairs the expert's trajectories hold, one in `query_every` kept."""
        return trajectories * math.ceil(self.visits.expert_length / self.query_every)

    def _parts(self) -> dict[str, Any]:
        return {"visits": self.visits, "members": self._members}


class SMILe(_InIterations):
    """A mixture that moves from the expert to learnt policies (Ross & Bagnell 2010)."""

    algorithm = "smile"

    def __init__(
        self,
        env: EnvLike,
        expert: Expert = None,
        config: SMILeConfig | None = None,
        seed: int = 0,
    ):
        """Take environment and expert; the arguments are `ForwardTraining`'s.

        Raises:
            BadInput: the environment or the expert will not do.
        """
        self.config: SMILeConfig
        self._begin(env, expert, config, seed)

    @property
    def policy(self) -> MixturePolicy:
        """The mixture of the policies learnt so far: the expert's part is taken out.

        What is left is divided by its sum, 1 - (1 - alpha)^t.
        """
        if self.finished_policy:
            return self.finished_policy
        members = _learnt(self.algorithm, self._members)
        _, weights = smile_weights(self.config.alpha, len(members))
        return MixturePolicy(tuple(members), weights / weights.sum())

    def iterate(self, expert_queries: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Run the iterations that are left; yield (queries so far, metrics) after each."""
        config, members = self.config, self._members.policies
        shares = _shares(expert_queries, config.iterations)
        for t in range(len(members), len(shares)):
            # states that pi_t visits: the expert acts with its share, else the mixture as sampled
            expert_share, _ = smile_weights(config.alpha, t)
            mixture = self.policy if members else None
            pairs = self.visits.pairs(
                mixture, expert_share, shares[t], self.query_every, sampled=True
            )
            # pihat_t+1 learns from these alone
            policy, fitted = self._cloning.policy(pairs, t)
            members.append(policy)
            metrics = {"expert_share": expert_share, "held_out_loss": fitted.best}
            metrics |= {"epochs": fitted.epochs}
            yield self.visits.expert_queries, metrics | self.visits.metrics()


class DAgger(_InIterations):
    """One policy, cloned from all answers so far, visits the next states (Ross et al. 2011)."""

    algorithm = "dagger"
    _plain = ("_iteration", "_states", "_actions")

    def __init__(
        self,
        env: EnvLike,
        expert: Expert = None,
        config: DAggerConfig | None = None,
        seed: int = 0,
    ):
        """Take environment and expert; the arguments are `ForwardTraining`'s.

        Raises:
            BadInput: the environment or the expert will not do.
        """
        self.config: DAggerConfig
        self._begin(env, expert, config, seed)
        self._iteration = 0
        self._states = np.zeros((0, self.spec.state_size), np.float32)
        self._actions = np.zeros((0, self.spec.action_size), np.float32)

    @property
    def policy(self) -> NumpyPolicy:
        """The newest policy; after training the final one, not the best of a validation."""
        return self.finished_policy or _learnt(self.algorithm, self._members)[0]

    def iterate(self, expert_queries: int) -> Iterator[tuple[int, dict[str, float]]]:
        """Run the iterations that are left; yield (queries so far, metrics) after each."""
        config = self.config
        shares = _shares(expert_queries, config.iterations)
        while (i := self._iteration) < len(shares):
            # states that pi_i = beta_i expert + (1 - beta_i) pihat_i visits; i counts from 0 here
            beta = config.expert_decay**i
            newest = self.policy if i else None
            pairs = self.visits.pairs(newest, beta, shares[i], self.query_every, sampled=False)
            # they join those of all iterations before, and the next policy learns from all
            self._states = np.concatenate([self._states, pairs.states])
            self._actions = np.concatenate([self._actions, pairs.actions])
            policy, fitted = self._cloning.policy(StateActions(self._states, self._actions), i)
            self._members.policies = [policy]
            self._iteration += 1
            metrics = {"expert_share": beta, "held_out_loss": fitted.best}
            metrics |= {"epochs": fitted.epochs}
            yield self.visits.expert_queries, metrics | self.visits.metrics()
