"""What the driver of a training needs of an algorithm."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.envs.gym_env import EnvLike
from mgail_tf.policies.composed import AnyPolicy
from mgail_tf.policies.queried import QueriedExpert
from mgail_tf.training import run_directory
from mgail_tf.types import Episode, Spec


class Trainable(run_directory.Saved, Protocol):
    """What the driver needs of an algorithm."""

    algorithm: str
    unit: str  # what `iterate` counts: "env_steps", "epoch" or "expert_queries"
    env: EnvLike
    spec: Spec
    config: Any
    seed: int
    finished_policy: Any  # of the finished run that `learn` found, or None

    @property
    def diagnostic_columns(self) -> tuple[str, ...]:
        """Columns that `diagnose` adds to progress.csv."""
        ...

    @property
    def demonstrations(self) -> Demonstrations | None:
        """None: it learns from the environment's reward, or asks an expert."""
        ...

    @property
    def policy(self) -> AnyPolicy:
        """The policy that is scored."""
        ...

    def iterate(self, total: int, /) -> Iterator[tuple[int, dict[str, float]]]:
        """Train, and yield (steps or epochs so far, metrics) after every update."""
        ...

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return `diagnostic_columns` of the networks on evaluation episodes."""
        ...


class Visits(Protocol):
    """What is counted of an expert that is asked."""

    expert: QueriedExpert
    expert_queries: int  # answers that were learnt from
    expert_steps: int  # environment steps in which it acted

    @property
    def env_steps(self) -> int:
        """Environment steps of the training."""
        ...


@runtime_checkable
class Asking(Protocol):
    """What the driver needs further of an algorithm that asks an expert."""

    query_every: int  # one visited state in so many is asked about

    @property
    def visits(self) -> Visits:
        """The states that it has visited."""
        ...

    def worth(self, trajectories: int) -> int:
        """Return the number of queries that trajectories of the expert are worth."""
        ...


@runtime_checkable
class Concluding(Protocol):
    """What the driver needs further of an algorithm whose settings may follow from rules."""

    def concluded(self) -> dict[str, Any]:
        """Return what final.json says of them."""
        ...
