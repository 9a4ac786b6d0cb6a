"""A run's folder belongs to one run, of one process, by one version."""

import pytest

from mgail_tf.errors import BadInput
from mgail_tf.training.run_directory import Run


class Nothing:
    """What has no state."""

    def state_dict(self):
        return {}


def test_run_begun_by_a_version_that_measured_other_things_is_refused(tmp_path):
    row, begun = {"env_steps": 1, "kl": 0.1}, (tmp_path / "run", {"some": "run"})
    with Run(*begun, every=0.0) as run:
        run.progress(row)
        run.checkpoint(1, Nothing())
    for other in ({"env_steps": 2}, {**row, "entropy": 0.5}):
        with (
            Run(*begun, resume=True) as run,
            pytest.raises(BadInput, match=r"run: progress\.csv: .*columns"),
        ):
            run.progress(other)
    assert len((tmp_path / "run/progress.csv").read_text().splitlines()) == 2


def test_rows_after_the_last_checkpoint_are_taken_back(tmp_path):
    begun = tmp_path / "run", {"some": "run"}
    with Run(*begun, every=0.0) as run:
        run.progress({"env_steps": 1})
        run.checkpoint(1, Nothing())
        run.progress({"env_steps": 2})
    with Run(*begun, resume=True) as run:
        run.progress({"env_steps": 3})
    found = (tmp_path / "run/progress.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in found] == ["1", "3"]


def test_one_process_at_a_time(tmp_path):
    begun = tmp_path / "run", {"some": "run"}
    with Run(*begun), pytest.raises(BadInput, match=r"run: .*process"):
        Run(*begun, resume=True)
    with Run(*begun, resume=True):
        pass
