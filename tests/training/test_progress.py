"""What a training says while it runs."""

from mgail_tf.training import progress


class _Clock:
    now = 0.0

    def monotonic(self):
        return self.now


def _said(capsys, monkeypatch, seconds, total=1000, shown=True):
    clock = _Clock()
    monkeypatch.setattr(progress, "time", clock)
    line = progress.Progress("mgail Toy", "env_steps", total, 0, shown)
    line.first()
    for count in range(10, total + 1, 10):
        clock.now += seconds
        line.update(count, {"return": 1.5, "kl": 0.25, "other": 3.0})
    line.close()
    return capsys.readouterr().err.splitlines()


def test_without_a_terminal_there_is_a_line_for_each_tenth(capsys, monkeypatch):
    lines = _said(capsys, monkeypatch, 0.01)
    assert "compiling" in lines[0] and len(lines) == 12
    assert lines[1] == "mgail Toy: 10 of 1,000 env_steps, 0 s, ret 1.5, kl 0.25"
    assert lines[-1].startswith("mgail Toy: 1,000 of 1,000 env_steps, 1 s")
    assert not any("\r" in line for line in lines)


def test_a_slow_training_says_something_every_half_minute(capsys, monkeypatch):
    assert len(_said(capsys, monkeypatch, 20.0)) > 50


def test_a_training_that_is_not_to_be_shown_says_nothing(capsys, monkeypatch):
    assert _said(capsys, monkeypatch, 1.0, shown=False) == []
