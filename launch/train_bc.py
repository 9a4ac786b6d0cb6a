"""Clone demonstrated behaviour; score, export and record the policy.

python launch/train_bc.py --task=hopper --seed=0
"""

import sys

from launch import cli

FLAGS = cli.define(**cli.IMITATION_FLAGS)
SMOKE = ["max_epochs=3"]


def job() -> None:
    """Run what the flags say."""
    described = cli.imitation("bc", FLAGS, SMOKE)
    from mgail_tf import imitation

    cli.print_scores(imitation.imitate(described))


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
