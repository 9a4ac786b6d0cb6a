"""The errors that a user sees."""

import pickle

from mgail_tf.errors import Diverged


def test_a_diverged_run_says_so_in_another_process_too():
    error = Diverged("value_loss", float("inf"), 3, " of runs/x")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "value: value_loss is inf in iteration 3 of runs/x"
    assert (again.metric, again.value, again.iteration) == ("value_loss", float("inf"), 3)
