"""What all agents share beside the algorithm."""

from collections.abc import Mapping
from typing import Any

from mgail_tf.checkpoint import Resumable
from mgail_tf.types import Episode


class Agent(Resumable):
    """An algorithm that `training.run.learn` can train.

    Attributes:
        finished_policy: of a finished run that `learn` read, until the agent learns or is restored.
    """

    diagnostic_columns: tuple[str, ...] = ()
    finished_policy: Any = None

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return `diagnostic_columns` of the networks on evaluation episodes."""
        return {}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked."""
        self.finished_policy = None
        super().load_state_dict(saved)
