"""Audit an imitator: the same run without an expert to learn from, and with the other sign.

    python launch/audit_bias.py --task=cartpole --algorithm=gail
    python launch/audit_bias.py --task=hopper --env_steps=60000 --table=results/audit.csv

Called again, it goes on where it was stopped.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import tables

FLAGS = _flags.define(
    *("seed", "env_steps", "set", "episodes", "out", "checkpoint_every", "threads", "smoke"),
    *("demos", "num_trajectories", "subsample"),
    task="cartpole",
)
flags.DEFINE_enum("algorithm", "mgail", ["gail", "mgail"], "What to audit.", flag_values=FLAGS)
flags.DEFINE_string(
    "table", None, "CSV to merge the rows into. Default: audit.csv in --out", flag_values=FLAGS
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    config, env_steps = _flags.settings(get["algorithm"], get)
    demonstrations, _ = _flags.demonstrations(get)
    _flags.load_tensorflow(get["threads"])
    from mgail_tf.studies import bias_audit

    name = _flags.as_file_name(f"audit-{get['task']}-seed{get['seed']}")
    out = Path(get["out"] or f"runs/{name}")
    table = Path(get["table"] or out / "audit.csv")
    tables.check(table, bias_audit.COLUMNS)
    rows = bias_audit.audit(
        mg.GAIL if get["algorithm"] == "gail" else mg.MGAIL,
        get["env"],
        demonstrations,
        config,
        env_steps,
        out,
        get["seed"],
        episodes=2 if get["smoke"] else get["episodes"],
        checkpoint_every=get["checkpoint_every"],
        progress=True,
    )
    tables.merge(table, rows, bias_audit.KEY)
    print(f"{'audit':14}{'return':>10}{'length':>9}{'normalised':>12}{'share':>8}{'shown':>10}")
    for row in rows:
        print(
            f"{row['audit']:14}{row['return_mean']:10.1f}{row['length_mean']:9.1f}"
            f"{row['normalised']:12.3f}{row['share']:8.2f}{row['demonstrator_return']:10.1f}"
        )


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
