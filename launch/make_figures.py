"""Draw the learning curves of every task in a results folder, and the paper's Figure 5.

python launch/make_figures.py
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli

FLAGS = cli.define()
flags.DEFINE_string(
    "folder", None, "Holds experts.csv, runs.csv, curves.csv. Default: results/", flag_values=FLAGS
)
flags.DEFINE_string(
    "out",
    None,
    "Picture to write, with figure5.png and .csv beside it. Default: curves.png in the folder",
    flag_values=FLAGS,
)


def job() -> None:
    """Run what the flags say."""
    from mgail_tf import comparisons, figures, results, tables
    from mgail_tf.types import BadInput

    get = cli.read(FLAGS)
    folder = Path(get["folder"] or tables.RESULTS)
    picture = figures.check_picture(Path(get["out"] or folder / "curves.png"))
    figure5 = picture.with_name("figure5.png")
    if picture == figure5:
        raise BadInput(
            f"--out: found {picture}, which is the other picture's, expected another name"
        )
    tasks = comparisons.plot_tasks(folder, picture)
    print(f"{picture}: {', '.join(tasks)}")
    if not (tasks := comparisons.compared(folder)):
        print(f"{figure5}: no task has runs of both forward models (--variant=hadamard_gru)")
        return
    comparisons.plot_tasks(folder, figure5, comparisons.MODELS)
    table = comparisons.model_table(folder, tasks)
    results.write_whole(figure5.with_suffix(".csv"), table.to_csv(index=False))
    print(f"{figure5}, {figure5.with_suffix('.csv').name}: {', '.join(tasks)}")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
