"""Draw the learning curves of every task in a results folder, and the paper's Figure 5.

python launch/make_figures.py

Curves are of each task's smallest dataset. Where there are runs on several, datasets.png holds
scores over the number of trajectories. Where launch/make_tables.py has made a statistics.csv,
statistics.png holds performance profiles and the probabilities that MGAIL does better. Where there
are runs that asked an expert (launch/train_interactive.py), queries.png and .csv say what they and
the others make of how many expert actions, and horizons.png and .csv what Forward Training costs
against the time limit.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.files import write_whole
from mgail_tf.reporting import comparisons, dataset_sizes, interactive, plots, statistics

FLAGS = _flags.define()
flags.DEFINE_string(
    *("folder", "results"),
    "Holds runs.csv and curves.csv; without an experts.csv, that of results/ counts.",
    flag_values=FLAGS,
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
    sizes = picture.with_name("datasets.png")
    if tasks := dataset_sizes.plot_sizes(folder, sizes):
        print(f"{sizes}: {', '.join(tasks)}")
    if (folder / "statistics.csv").exists():
        profiles = picture.with_name("statistics.png")
        drawn = statistics.plot(folder, profiles)
        print(f"{profiles}: {', '.join(drawn)}")
    _draw_interactive(folder, picture.with_name("queries.png"), picture.with_name("horizons.png"))
    if not (tasks := comparisons.compared(folder)):
        print(f"{figure5}: no task has runs of several forward models (--presets=hadamard_gru)")
        return
    comparisons.plot_tasks(folder, figure5, comparisons.MODELS)
    table = comparisons.model_table(folder, tasks)
    write_whole(figure5.with_suffix(".csv"), table.to_csv(index=False))
    print(f"{figure5}, {figure5.with_suffix('.csv').name}: {', '.join(tasks)}")


def _draw_interactive(folder: Path, queries: Path, horizons: Path) -> None:
    """Draw what asking an expert costs, as far as there are runs of it."""
    if interactive.asked_tasks(folder):
        print(f"{queries}: {', '.join(interactive.plot_queries(folder, queries))}")
        table = interactive.queries_table(folder)
        write_whole(queries.with_suffix(".csv"), table.to_csv(index=False))
    if len(table := interactive.horizons_table(folder)):
        print(f"{horizons}: {', '.join(interactive.plot_horizons(folder, horizons))}")
        write_whole(horizons.with_suffix(".csv"), table.to_csv(index=False))


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
