"""The CSVs of results/: their columns, and reading them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mgail_tf.errors import BadInput

_SCORE = ("mode", "episodes", "return_mean", "return_std_over_episodes", "length_mean")
RUN = ("algorithm", "variant", "num_trajectories", "subsample", "seed")
# results/README.md explains them
RUN_COLUMNS = (
    *("task", "env_id", *RUN, "env_steps", *_SCORE, "normalised", "wall_seconds"),
    *("demos_sha256", "config_sha256", "commit", "versions", "prefill_steps", "evaluation_steps"),
)
EXPERT_COLUMNS = (
    *("task", "env_id", "env_steps", *_SCORE, "random_return_mean", "wall_seconds"),
    *("weights_sha256", "commit", "versions", "seed", "command", "algorithm", "normalised"),
)
CURVE_COLUMNS = ("task", *RUN, "env_steps", "return", "evaluation")


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV of results, which has these columns and maybe others.

    Raises:
        BadInput: it is missing, or no such table.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a table ({error})") from error
    if missing := [name for name in columns if name not in table]:
        raise BadInput(f"{path}: columns: found no {missing}, expected {list(columns)}")
    return table
