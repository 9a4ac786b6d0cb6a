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
from mgail_tf.files import check_absent
from mgail_tf.reporting import plots

FLAGS = _flags.define()
flags.DEFINE_string("out", None, "Picture. Default: diagnosis.png there", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if len(get["runs"]) != 1:
        raise mg.BadInput(f"found {len(get['runs'])} folders, expected one, of a run")
    folder = Path(get["runs"][0])
    picture = plots.check_picture(Path(get["out"] or folder / "diagnosis.png"))
    if get["out"]:
        check_absent(picture)
    print(f"{picture}: {', '.join(plots.diagnose(folder, picture))}")


main = _flags.script(job, FLAGS, arguments="runs")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
