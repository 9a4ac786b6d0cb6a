"""Train MGAIL on demonstrations; score, export and record the final policy.

python launch/train_mgail.py --task=hopper --seed=0 --set horizon=30
"""

import sys

from launch import cli

FLAGS = cli.define(**cli.IMITATION_FLAGS)
SMOKE = [
    "env_steps=120",
    "prefill_steps=60",
    "block=2",
    "updates_per_step=0.1",
    "horizon=3",
    "unroll=True",
    "burn_in=1",
    "model_length=2",
    "jit_compile=False",
]


def job() -> None:
    """Run what the flags say."""
    described = cli.imitation("mgail", FLAGS, SMOKE)
    from mgail_tf import imitation

    cli.print_scores(imitation.imitate(described))


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
