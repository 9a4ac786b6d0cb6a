"""Audit an imitator: the same run without an expert to learn from, and with the other sign.

python launch/audit_bias.py --task=cartpole --algorithm=gail

Called again, it goes on where it was stopped.
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli, train_gail, train_mgail

FLAGS = cli.define(
    task="cartpole",
    seed=0,
    episodes=50,
    out=None,
    results=None,
    set=None,
    smoke=False,
    checkpoint_every=60.0,
    threads=1,
)
flags.DEFINE_enum("algorithm", "mgail", ["gail", "mgail"], "What to audit.", flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    get = cli.read(FLAGS)
    algorithm = get["algorithm"]
    smoke = (train_gail if algorithm == "gail" else train_mgail).SMOKE
    described = cli.imitation(algorithm, FLAGS, smoke)
    from mgail_tf import audit

    out = Path(get["out"] or f"runs/audit-{get['task']}-seed{get['seed']}")
    table = Path(get["results"] or out / "audit.csv")
    rows = audit.audit(described._replace(out=out), table)
    print(f"{'audit':14}{'return':>10}{'length':>9}{'normalised':>12}{'share':>8}{'shown':>10}")
    for row in rows:
        print(
            f"{row['audit']:14}{row['return_mean']:10.1f}{row['length_mean']:9.1f}"
            f"{row['normalised']:12.3f}{row['share']:8.2f}{row['demonstrator_return']:10.1f}"
        )


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
