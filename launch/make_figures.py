"""Draw the learning curves of every task in a results folder, and the paper's Figure 5.

python launch/make_figures.py
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.files import write_whole
from mgail_tf.reporting import comparisons, plots

FLAGS = _flags.define()
flags.DEFINE_string(
    "folder", "results", "Holds experts.csv, runs.csv and curves.csv.", flag_values=FLAGS
)
flags.DEFINE_string(
    "out",
    None,
    "Picture to write, with figure5.png and .csv beside it. Default: curves.png in the folder",
    flag_values=FLAGS,
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    folder = Path(get["folder"])
    picture = plots.check_picture(Path(get["out"] or folder / "curves.png"))
    figure5 = picture.with_name("figure5.png")
    if picture == figure5:
        raise mg.BadInput(f"--out: found {picture}, which is Figure 5's, expected another name")
    tasks = comparisons.plot_tasks(folder, picture)
    print(f"{picture}: {', '.join(tasks)}")
    if not (tasks := comparisons.compared(folder)):
        print(f"{figure5}: no task has runs of both forward models (--preset=hadamard_gru)")
        return
    comparisons.plot_tasks(folder, figure5, comparisons.MODELS)
    table = comparisons.model_table(folder, tasks)
    write_whole(figure5.with_suffix(".csv"), table.to_csv(index=False))
    print(f"{figure5}, {figure5.with_suffix('.csv').name}: {', '.join(tasks)}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
