"""Train an expert by TRPO on the environment's reward; score it and record it.

    python launch/train_expert.py --task=hopper --seed=0

The committed ones: with --out=results/experts/TASK --results=results/experts.csv
"""

import sys

from launch import cli

FLAGS = cli.define(
    task="hopper",
    seed=0,
    episodes=50,
    out=None,
    results=None,
    set=None,
    smoke=False,
    resume=False,
    checkpoint_every=60.0,
    threads=1,
    workers=1,
)
SMOKE = ["env_steps=600", "batch_steps=200", "value_epochs=1", "jit_compile=False"]


def job() -> None:
    """Run what the flags say."""
    described = cli.expert(FLAGS, SMOKE)
    from mgail_tf import expert_training

    cli.print_scores(expert_training.train(described))


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
