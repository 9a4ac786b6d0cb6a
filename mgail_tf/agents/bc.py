"""Behavioural cloning: maximum likelihood on the pairs, stopped early on held-out ones."""

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from mgail_tf.config.algorithms import BCConfig
from mgail_tf.config.tasks import settings_of, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.data.normaliser import fit
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.networks.cloning import PolicyFit
from mgail_tf.networks.policy import to_numpy
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import run
from mgail_tf.training.agent import Agent
from mgail_tf.types import StateActions


class BC(Agent):
    """Behavioural cloning: a policy fitted to demonstrated pairs, without environment steps."""

    algorithm, unit = "bc", "epoch"

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
            config: None: the defaults.
            seed: fixes the initial weights, the split and the order of the minibatches.

        Raises:
            BadInput: the environment or the demonstrations will not do.
        """
        self.env, self.seed = env, (seed := operator.index(seed))
        self.spec = spec = make(env, seed).spec
        task = task_of(spec)
        self.config: BCConfig = settings_of("bc", task, config)
        self.demonstrations = fitting(demonstrations, spec)
        expert, config = self.demonstrations.pairs(spec), self.config
        self.normaliser = fit(expert.states, config.normaliser_floor, config.state_clip)
        seen = spec._replace(state_size=len(self.normaliser.mean))
        self._fit = PolicyFit(seen, config, seed)
        self.policy_network = self._fit.network
        pairs = StateActions(self.normaliser(expert.states), expert.actions)
        self._fit.begin(pairs, np.random.default_rng([seed, 3]))

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
        for loss in self._fit.run(most):
            yield (
                self._fit.epochs,
                {"held_out_loss": loss, "best_held_out_loss": self._fit.best},
            )

    def _parts(self) -> dict[str, Any]:
        return {"fit": self._fit}
