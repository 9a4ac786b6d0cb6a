"""Draw the learning curves of several runs in one picture, and print their final scores.

    python launch/compare_runs.py runs/mgail-hopper-default-seed0 runs/bc-hopper-default-seed0

A line is named by what the runs differ in. Runs that are not finished are drawn as far as they are.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.files import check_absent, make_folder
from mgail_tf.reporting import plots, run_folders

FLAGS = _flags.define()
flags.DEFINE_string(
    "out", "runs/comparison.png", "Picture to write; must not exist.", flag_values=FLAGS
)
flags.DEFINE_string(
    "metric", "evaluation", "Column of progress.csv to draw over the steps.", flag_values=FLAGS
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if not get["runs"]:
        raise mg.BadInput("found no folder of a run, expected one or more")
    picture = plots.check_picture(Path(get["out"]))
    check_absent(picture)
    folders = {Path(name).resolve(): Path(name) for name in get["runs"]}
    runs = [run_folders.read(folder) for folder in folders.values()]
    names = run_folders.labels(runs)
    make_folder(picture.parent)
    plots.plot_runs(runs, names, picture, get["metric"])
    print("\n".join(run_folders.score_lines(runs, names)))
    print(f"\n{picture}: {get['metric']} of {len(runs)} run{'s' if len(runs) > 1 else ''}")


main = _flags.script(job, FLAGS, arguments="runs")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
