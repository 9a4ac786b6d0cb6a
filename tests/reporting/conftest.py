"""What tests of pictures share."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def saved(monkeypatch) -> list[Figure]:
    """Return the list of figures that are written from now on."""
    figures, save = [], Figure.savefig

    def keep(figure, *args, **named):
        figures.append(figure)
        save(figure, *args, **named)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures
