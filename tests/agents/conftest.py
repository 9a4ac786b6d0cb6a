"""What the linear expert shows."""

import pytest

from tests import toys


@pytest.fixture(scope="session")
def shown():
    return toys.linear_demonstrations()
