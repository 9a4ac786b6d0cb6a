"""Folders of finished runs, as `training.run` leaves them, made up of rows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mgail_tf.reporting.tables import EXPERT_COLUMNS, RUN_COLUMNS


def result_row(**changes: Any) -> dict[str, Any]:
    """Return a row of final.json; what is not said is 0."""
    named = {"task": "hopper", "env_id": "Hopper-v5", "algorithm": "bc", "variant": "default"}
    protocol = {"num_trajectories": 4, "subsample": 20, "mode": "deterministic"}
    columns = dict.fromkeys((*RUN_COLUMNS, *EXPERT_COLUMNS), 0)
    return {**columns, **named, **protocol, **changes}


def write_run(
    folder: Path, rows: Sequence[dict[str, Any]], progress: Sequence[dict[str, Any]] = ()
) -> Path:
    """Write the folder of a finished run, of the rows' algorithm; return it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"algorithm": rows[0]["algorithm"]}))
    (folder / "final.json").write_text(json.dumps({"rows": rows}))
    pd.DataFrame(progress).to_csv(folder / "progress.csv", index=False)
    return folder
