"""Draw what a run measured of its networks, from its progress.csv.

    python launch/diagnose.py runs/mgail-hopper-default-seed0

`tensorboard --logdir=RUN/tensorboard` shows the same.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import plots

FLAGS = _flags.define()
flags.DEFINE_string("run", None, "The run's folder; may stand alone, too.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "Picture. Default: diagnosis.png there", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if not get["run"]:
        raise mg.BadInput("--run: found nothing, expected a run's folder")
    folder = Path(get["run"])
    picture = plots.check_picture(Path(get["out"] or folder / "diagnosis.png"))
    print(f"{picture}: {', '.join(plots.diagnose(folder, picture))}")


def main(argv: list[str]) -> int:
    """Return the exit code; a first argument without a flag is the run's folder."""
    alone = len(argv) > 1 and not argv[1].startswith("-")
    script = _flags.script(job, FLAGS)
    return script([argv[0], f"--run={argv[1]}", *argv[2:]] if alone else argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
