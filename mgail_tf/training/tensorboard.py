"""What progress.csv holds, for TensorBoard too; its own package need not be installed."""

import math
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf


class Summaries:
    """Scalars over environment steps, in a folder that TensorBoard reads."""

    def __init__(self, folder: Path):
        """Open a new events file; those of a run that was stopped stay beside it."""
        self._writer = tf.summary.create_file_writer(str(folder))
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._scalar = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class=1)

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Write a row; what is not a number (no episode ended, no evaluation) is left out."""
        with self._writer.as_default(step=step):
            for name, value in row.items():
                if not math.isnan(value):
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=self._scalar)

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()
