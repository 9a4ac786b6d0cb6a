"""Train GAIL on demonstrations; score, export and record the final policy.

python launch/train_gail.py --task=hopper --seed=0
"""

import sys

from launch import cli

FLAGS = cli.define(**cli.IMITATION_FLAGS, workers=1)
SMOKE = [
    "env_steps=600",
    "batch_steps=200",
    "value_epochs=1",
    "jit_compile=False",
    "discriminator_steps=2",
]


def job() -> None:
    """Run what the flags say."""
    described = cli.imitation("gail", FLAGS, SMOKE)
    from mgail_tf import imitation

    cli.print_scores(imitation.imitate(described))


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
