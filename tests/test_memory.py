"""What a network takes of the machine's memory is said before it is built."""

import os

import pytest

from chainrule.core.network import Network
from chainrule.tabular.memory import COPIES, require_memory, training_bytes

GIB = 2**30


@pytest.mark.parametrize("sizes", [[3, 1], [3, 4, 1], [30, 128, 64, 5]])
def test_parameters_are_those_of_the_network(sizes: list[int]) -> None:
    theta = Network.mlp(sizes, rng=0).theta
    assert training_bytes(sizes) == COPIES * theta.nbytes
    more = training_bytes(sizes, rows=10) - training_bytes(sizes)
    assert more == 2 * 10 * sum(sizes[1:]) * 8


def test_more_than_the_machine_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 8 * GIB // 4096, "SC_PAGE_SIZE": 4096}.get)
    require_memory([30, 10_000, 1], rows=1000)
    with pytest.raises(ValueError, match=r"100000000, 1 units on 30 .* 205 GB .* has 9: use small"):
        require_memory([30, 10**8, 1])
    with pytest.raises(ValueError, match="use smaller layers"):
        require_memory([30, 10_000, 1], rows=100_000)


def test_machine_that_does_not_tell_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf_names", {})
    require_memory([30, 10**8, 1])
