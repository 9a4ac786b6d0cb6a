"""Make table1.csv: the paper's Table 1 beside the runs of a results folder.

python launch/make_tables.py
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.files import make_folder, write_whole
from mgail_tf.reporting import table1

FLAGS = _flags.define()
flags.DEFINE_string(
    "folder", "results", "Holds runs.csv, paper_table1.csv and, if there is, curves.csv.",
    flag_values=FLAGS,
)  # fmt: skip
flags.DEFINE_string("out", None, "CSV to write. Default: table1.csv there", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    folder = Path(get["folder"])
    out = Path(get["out"] or folder / "table1.csv")
    if out.resolve().parent == folder.resolve() and out.name in table1.READ:
        raise mg.BadInput(f"--out: found {out}, which the table is made from, expected another")
    table = table1.table1(folder)
    make_folder(out.parent)
    write_whole(out, table.to_csv(index=False, lineterminator="\n"))
    shown = table[table["seeds"] > 0].copy()
    names = ["seeds", "env_steps", "return_mean", "normalised", "normalised_min"]
    print(shown[[*table1.CELL, *names, "paper_return_mean"]].to_string(index=False))
    print(f"\n{out}: {len(shown)} of {len(table)} cells")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
