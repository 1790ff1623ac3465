"""The loss of a process in its short form: two, of which one is killed, and then one. `make drills` does more."""

import numpy as np

from benchmarks import control_cost
from benchmarks.drills import process_loss
from benchmarks.drills.process_loss import GRACE, HEARTBEAT, Loss, drill, whole_run


def test_a_lost_process_ends_the_others_and_the_run_goes_on_with_the_same_rates(tmp_path, monkeypatch):
    monkeypatch.setattr(process_loss, "EPOCHS", 5)
    undisturbed = whole_run(tmp_path / "undisturbed", 1)
    assert len(undisturbed) == 5 * 14
    assert len(set(undisturbed[28:])) > 1  # there are decisions in it
    found = drill(Loss(2, 1, 2, 1), tmp_path / "lost", undisturbed, np.random.default_rng(0))
    assert found.seconds < HEARTBEAT + GRACE
    assert 0 not in found.codes
    assert 2 <= found.kept < 5
    assert found.different == 0


def test_bytes_and_messages_do_not_grow_as_the_hosts_do():
    for hosts in (2, 64, 10_000):
        assert control_cost.per_host("tree", hosts, 100)[:2] == (300, 3)
        assert control_cost.per_host("ring", hosts, 100)[0] < 200
    assert control_cost.per_host("ring", 10_000, 100)[2] == 19_998
    assert control_cost.per_host("tree", 7, 100)[2] == 4  # two levels below the root, up and down


def test_the_simulation_without_randomness_is_the_sum_of_the_steps():
    size, latency = 1e4, 1e-3
    constant = lambda count: np.full(count, latency)  # noqa: E731
    for hosts in (7, 63):
        for kind in ("ring", "tree"):
            steps = control_cost.per_host(kind, hosts, size)[2]
            transfer = size / control_cost.BANDWIDTH / (hosts if kind == "ring" else 1)
            got = getattr(control_cost, kind)(hosts, size, constant)
            np.testing.assert_allclose(got, steps * (latency + transfer), rtol=1e-12)
