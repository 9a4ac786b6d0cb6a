"""Make the tables of a results folder: Table 1, statistics over its cells, steps to the expert.

    python launch/make_tables.py
    python launch/make_tables.py --folder=runs/table1

table1.csv, .md and .tex hold the paper's Table 1 beside the runs of the folder; statistics.csv says
how sure a difference between algorithms is, and where there is a curves.csv, interactions.csv says
how many environment steps they take.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

from mgail_tf.files import make_folder, write_whole
from mgail_tf.reporting import interactions, statistics, table1, tables

FLAGS = _flags.define()
flags.DEFINE_string(
    *("folder", "results"),
    "Holds runs.csv and maybe curves.csv. Experts' and published numbers are those of results/ "
    "where it has none.",
    flag_values=FLAGS,
)
flags.DEFINE_string("out", None, "Folder to write; default: the same.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    folder = Path(get["folder"])
    out = Path(get["out"] or folder)
    table = table1.table1(folder)
    tested = statistics.statistics(folder)
    taken = interactions.interactions(folder) if (folder / "curves.csv").exists() else []
    make_folder(out)
    write_whole(out / "table1.csv", table.to_csv(index=False, lineterminator="\n"))
    write_whole(out / "table1.md", table1.markdown(table))
    write_whole(out / "table1.tex", table1.latex(table))
    tables.write(out / "statistics.csv", statistics.COLUMNS, tested)
    written = {"statistics": len(tested)}
    if taken:
        tables.write(out / "interactions.csv", interactions.COLUMNS, taken)
        written["interactions"] = len(taken)
    shown = table[table["seeds"] > 0].copy()
    names = ["seeds", "env_steps", "return_mean", "normalised", "normalised_min"]
    print(shown[[*table1.CELL, *names, "paper_return_mean"]].to_string(index=False))
    print(f"\n{out / 'table1.csv'}: {len(shown)} of {len(table)} cells; table1.md, table1.tex")
    for name, count in written.items():
        print(f"{out / name}.csv: {count} rows")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
