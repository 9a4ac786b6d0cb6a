"""A run's folder belongs to one run, of one process, by one version."""

import json

import pytest
import tensorflow as tf

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


def test_differing_setting_of_another_run_is_named(tmp_path):
    with Run(tmp_path / "run", {"seed": 0, "config": {"horizon": 16, "gamma": 0.99}}):
        pass
    other = {"seed": 0, "config": {"horizon": 8, "gamma": 0.99}}
    with pytest.raises(BadInput, match=r"config\.horizon: found 16 .*expected 8"):
        Run(tmp_path / "run", other, resume=True)
    (tmp_path / "run/config.json").write_text("[]")
    with pytest.raises(BadInput, match=r"config\.json"):
        Run(tmp_path / "run", other, resume=True)


def test_tensorboard_of_a_killed_run_holds_every_step_once(tmp_path):
    begun = tmp_path / "run", {"some": "run"}
    with Run(*begun, every=0.0) as run:
        run.progress({"env_steps": 1, "kl": 0.5})
        run.checkpoint(1, Nothing())
        run.progress({"env_steps": 2, "kl": 0.25})
    with Run(*begun, resume=True) as run:
        run.progress({"env_steps": 2, "kl": 0.125})
    (file,) = (tmp_path / "run/tensorboard").iterdir()
    events = tf.compat.v1.train.summary_iterator(str(file))
    found = [(e.step, float(tf.make_ndarray(v.tensor))) for e in events for v in e.summary.value]
    assert found == [(1, 0.5), (2, 0.125)]


def test_final_json_has_null_for_what_is_no_number(tmp_path):
    with Run(tmp_path / "run", {"some": "run"}) as run:
        run.finish({"rows": [{"normalised": float("nan"), "returns": (1.0, float("inf"))}]})
    final = json.loads((tmp_path / "run/final.json").read_text())
    assert final == {"rows": [{"normalised": None, "returns": [1.0, None]}]}
