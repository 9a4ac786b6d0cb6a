"""Pictures of demonstrations."""

import numpy as np
import pytest
from PIL import Image

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.reporting import plots


@pytest.mark.parametrize("rewards", [True, False])
@pytest.mark.parametrize("actions", ["discrete", "one", "many"])
@pytest.mark.parametrize("size", [1, 120])
def test_demonstrations_of_every_kind_are_drawn(tmp_path, rng, size, actions, rewards):
    lengths = (30, 40, 1)
    shapes = {"one": (1,), "many": (9,)}
    shown = Demonstrations.from_arrays(
        [np.c_[rng.normal(size=(n + 1, size)), np.zeros(n + 1)] for n in lengths],
        [
            rng.integers(2, 5, n)
            if actions == "discrete"
            else rng.normal(size=(n, *shapes[actions]))
            for n in lengths
        ],
        terminated=[True, False, True],
        rewards=[rng.normal(size=n) for n in lengths] if rewards else None,
    )
    picture = tmp_path / "some.png"
    plots.plot_demonstrations(shown, shown.summary(), picture)
    pixels = np.asarray(Image.open(picture).convert("L"))
    assert pixels.shape > (500, 800) and pixels.std() > 10
