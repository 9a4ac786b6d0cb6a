"""Draw what a run measured of its networks, from its progress.csv.

    python launch/diagnose.py runs/mgail-hopper-default-seed0

`tensorboard --logdir=RUN/tensorboard` shows the same.
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli

FLAGS = cli.define()
flags.DEFINE_string("run", None, "The run's folder; may stand alone, too.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "Picture. Default: diagnosis.png there", flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    from mgail_tf import figures
    from mgail_tf.types import BadInput

    get = cli.read(FLAGS)
    if not get["run"]:
        raise BadInput("--run: found nothing, expected a run's folder")
    folder = Path(get["run"])
    picture = figures.check_picture(Path(get["out"] or folder / "diagnosis.png"))
    print(f"{picture}: {', '.join(figures.diagnose(folder, picture))}")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    alone = len(argv) > 1 and not argv[1].startswith("-")
    return cli.run(job, FLAGS, [argv[0], f"--run={argv[1]}", *argv[2:]] if alone else argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
