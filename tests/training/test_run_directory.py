"""A run's folder belongs to one run, of one process, by one version."""

import csv
import json
import warnings

import pytest
import tensorflow as tf

from mgail_tf import checkpoint
from mgail_tf.errors import BadInput
from mgail_tf.training import run_directory
from mgail_tf.training.run_directory import Run, finished


class Nothing:
    """What has no state."""

    def state_dict(self):
        return {}

    def restore_from(self, saved, name):
        pass


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
            run.restore(Nothing())
            run.progress(other)
    assert len((tmp_path / "run/progress.csv").read_text().splitlines()) == 2


def test_rows_after_the_last_checkpoint_are_taken_back(tmp_path):
    begun = tmp_path / "run", {"some": "run"}
    with Run(*begun, every=0.0) as run:
        run.progress({"env_steps": 1})
        run.checkpoint(1, Nothing())
        run.progress({"env_steps": 2})
    with Run(*begun, resume=True) as run:
        run.restore(Nothing())
        run.progress({"env_steps": 3})
    found = (tmp_path / "run/progress.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in found] == ["1", "3"]


def test_one_process_at_a_time(tmp_path):
    begun = tmp_path / "run", {"some": "run"}
    with Run(*begun), pytest.raises(BadInput, match=r"run: .*process"):
        Run(*begun, resume=True)
    with Run(*begun, resume=True):
        pass


def test_a_refused_run_leaves_the_folder_free(tmp_path):
    begun = tmp_path / "run", {"some": "run"}
    with Run(*begun):
        pass
    with pytest.raises(BadInput) as refused:
        Run(tmp_path / "run", {"some": "other"}, resume=True)
    with Run(*begun, resume=True):  # though the error, and what it was raised in, is still there
        assert refused.traceback


@pytest.mark.parametrize("size", [0, 5])
def test_rows_that_a_checkpoint_knows_of_and_are_lost_are_missed(tmp_path, size):
    begun, rows = (tmp_path / "run", {"some": "run"}), tmp_path / "run/progress.csv"
    with Run(*begun, every=0.0) as run:
        run.progress({"env_steps": 1})
        run.checkpoint(1, Nothing())
    rows.write_bytes(rows.read_bytes()[:size])
    if not size:
        rows.unlink()
    with Run(*begun, resume=True) as run, pytest.raises(BadInput) as refused:
        run.restore(Nothing())
    assert str(refused.value).startswith(f"{rows}: found {size} bytes, expected the ")


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
        run.restore(Nothing())
        run.progress({"env_steps": 2, "kl": 0.125})
    (file,) = (tmp_path / "run/tensorboard").iterdir()
    events = tf.compat.v1.train.summary_iterator(str(file))
    found = [(e.step, float(tf.make_ndarray(v.tensor))) for e in events for v in e.summary.value]
    assert found == [(1, 0.5), (2, 0.125)]


def test_final_json_has_null_for_what_is_no_number(tmp_path):
    with Run(tmp_path / "run", {"some": "run"}) as run:
        rows = [{"normalised": float("nan"), "returns": (1.0, float("inf"))}]
        run.finish({"rows": rows}, keep_checkpoint=False)
    final = json.loads((tmp_path / "run/final.json").read_text())
    assert final["rows"] == [{"normalised": None, "returns": [1.0, None]}]


# -- more steps than a run was begun with ------------------------------------------------------


class _Counter:
    """What a run saves and restores: one number."""

    count = 0

    def state_dict(self):
        return {"count": self.count}

    def restore_from(self, saved, name):
        self.count = int(saved["count"])


def _take_steps(path, total, resume=False, keep=False, stop=None):
    """Count to a total as a run; return at which step it began."""
    config, counter = {"algorithm": "toy", "env_steps": total}, _Counter()
    if resume and finished(path, config):
        return total
    with Run(path, config, resume, every=0.0) as run:
        began = run.restore(counter, "now")[0] if run.saved else 0
        for now in range(began + 1, total + 1):
            counter.count = now
            run.progress({"env_steps": now, "count": counter.count})
            run.checkpoint(now, counter, now=now)
            if now == stop:
                return began
        run.finish({"count": counter.count}, keep)
    return began


def _steps(path):
    with (path / "progress.csv").open(newline="") as file:
        return [int(row["env_steps"]) for row in csv.DictReader(file)]


def test_a_stopped_run_goes_on_to_more_steps(tmp_path):
    path = tmp_path / "run"
    _take_steps(path, 5, stop=3)
    with pytest.warns(UserWarning, match="begun for 5 steps, goes on to 8"):
        assert _take_steps(path, 8, resume=True) == 3
    assert _steps(path) == list(range(1, 9))
    assert json.loads((path / "config.json").read_text())["env_steps"] == 8
    assert _take_steps(path, 8, resume=True) == 8  # it is finished


def test_commits_of_all_parts_are_named(tmp_path, monkeypatch):
    path = tmp_path / "run"
    for total, commit, expected in ((3, "abc", "abc"), (4, "abc", "abc"), (5, "def+", "abc def+")):
        monkeypatch.setattr(run_directory, "commit", lambda commit=commit: commit)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with Run(path, {"env_steps": 9}, resume=True, every=0.0) as run:
                if run.saved:
                    run.restore(_Counter(), "now")
                assert run.commit == expected
                run.progress({"env_steps": total, "count": total})
                run.checkpoint(total, _Counter(), now=total)
        told = [str(each.message) for each in said if "saved by commit abc" in str(each.message)]
        assert len(told) == (commit == "def+")


def test_a_finished_run_goes_on_from_the_checkpoint_that_it_kept(tmp_path):
    path = tmp_path / "run"
    _take_steps(path, 5, keep=True)
    assert _take_steps(path, 5, resume=True) == 5  # as it is, it is finished, and stays so
    with pytest.warns(UserWarning, match="begun for 5 steps, goes on to 8"):
        assert _take_steps(path, 8, resume=True) == 5  # and keeps none any more
    assert _steps(path) == list(range(1, 9))
    assert json.loads((path / "final.json").read_text())["count"] == 8
    assert not (path / "checkpoints").exists()


def test_a_kill_while_a_finished_run_begins_to_go_on_leaves_no_finished_one(tmp_path, monkeypatch):
    path = tmp_path / "run"
    _take_steps(path, 5, keep=True)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run_directory, "write_whole", killed)
        with pytest.warns(UserWarning, match="goes on to 8"):
            _take_steps(path, 8, resume=True)
    assert not finished(path, {"algorithm": "toy", "env_steps": 8})
    with pytest.warns(UserWarning, match="goes on to 8"):
        assert _take_steps(path, 8, resume=True) == 5
    assert _steps(path) == list(range(1, 9))


def test_a_finished_run_without_one_says_so_and_is_left_as_it_was(tmp_path):
    path = tmp_path / "run"
    _take_steps(path, 5)
    with pytest.raises(BadInput, match="env_steps: found 8 for a finished run, expected 5"):
        _take_steps(path, 8, resume=True)
    with pytest.raises(BadInput, match="env_steps: found 5 of another run, expected 4"):
        _take_steps(path, 4, resume=True)
    assert json.loads((path / "final.json").read_text())["count"] == 5


@pytest.mark.filterwarnings("ignore:.*goes on to 8")
@pytest.mark.parametrize("how", ["damaged", "other"])
def test_a_finished_run_whose_checkpoint_will_not_do_is_left_as_it_was(tmp_path, how):
    path = tmp_path / "run"
    _take_steps(path, 5, keep=True)
    for file in (path / "checkpoints").iterdir():
        if how == "damaged":
            file.write_bytes(file.read_bytes()[:-100])
        else:  # of another version: it lacks a counter
            state = checkpoint.read(file)
            del state["now"]
            checkpoint.write(file, state)
    names = ("config.json", "progress.csv", "final.json")
    before = [(path / name).read_bytes() for name in names]
    with pytest.raises(BadInput, match="checkpoint"):
        _take_steps(path, 8, resume=True)
    assert [(path / name).read_bytes() for name in names] == before
    assert _take_steps(path, 5, resume=True) == 5


def test_a_checkpoint_that_a_kill_left_behind_is_removed_and_a_kept_one_is_not(tmp_path):
    for keep in (False, True):
        path = tmp_path / str(keep)
        _take_steps(path, 5, keep=keep)
        checkpoint.save(path / "checkpoints", 5, {"now": 5})
        assert _take_steps(path, 5, resume=True) == 5
        assert (path / "checkpoints").exists() == keep
    (path / "final.json").write_text("{")
    with pytest.raises(BadInput, match=r"final\.json"):
        _take_steps(path, 5, resume=True)
