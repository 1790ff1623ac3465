"""Starting JAX's distributed runtime: nonsense is refused in words, before anything is started."""

import pytest

import rheostax as rx
from rheostax.parallel import initialize

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("localhost",), "coordinator_address must be host:port, such as 10.0.0.1:1234, got 'localhost'"),
        (("a b:1",), "coordinator_address must be host:port"),
        (("localhost:1", 0), "num_processes must be a whole number >= 1, got 0"),
        (("localhost:1", 2.0), "num_processes must be a whole number >= 0, got 2.0"),
        (("localhost:1", 2, 2), r"process_id must be a whole number from 0 to 1 \(num_processes - 1\), got 2"),
        (("localhost:1", 2, -1), "process_id must be a whole number >= 0, got -1"),
        (("localhost:1", 2, True), "process_id must be a whole number >= 0, got True"),
        (("localhost:1", 2, 0), "JAX has started its devices already"),
    ],
)
def test_nonsense_is_refused(arguments, says):
    rx.simulate(0.1, 1)  # JAX has started
    with pytest.raises(rx.ArgumentError, match=f"initialize: {says}"):
        initialize(*arguments)


@pytest.mark.parametrize("name", ["initialization_timeout", "heartbeat_timeout_seconds"])
def test_timeouts_are_whole_seconds(name):
    with pytest.raises(rx.ArgumentError, match=f"initialize: {name} must be a whole number >= 1, got 0"):
        initialize("localhost:1", 2, 0, **{name: 0})


def test_the_environment_is_read(monkeypatch):
    for name, value in zip(VARIABLES, ("localhost:1", "2", "7"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(rx.ArgumentError, match="from 0 to 1"):
        initialize()
    monkeypatch.setenv("JAX_PROCESS_ID", "one")
    with pytest.raises(rx.ArgumentError, match="JAX_PROCESS_ID must be a whole number, got 'one'"):
        initialize()
