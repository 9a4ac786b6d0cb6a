"""Each kind of policy: its network and its NumPy form."""

import pytest

from tests.policies.examples import SPECS, network_of, policy_of


@pytest.fixture(params=list(SPECS))
def kind(request):
    return request.param


@pytest.fixture
def network(kind):
    return network_of(kind)


@pytest.fixture
def policy(kind):
    return policy_of(kind)
