"""What rheostax promises, and the tests that hold it to that."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PROMISES", "Promise"]


class Promise(NamedTuple):
    """A promise, and where it is tested: files, or tests in them as pytest names them, with all their parameters."""

    number: int
    text: str
    tests: tuple[str, ...]


CONFORMANCE = "tests/conformance/test_learning_rates.py::test_"
PLATEAU = "tests/policies/test_reduce_on_plateau.py::test_"
FAULTS = "tests/policies/test_faults.py::test_"
APPLIED = "tests/control/test_rate_applied.py::test_"
SAVED = "tests/checkpoint/test_checkpoints.py::test_"
RATE = "tests/checkpoint/test_rate.py::test_"
PROCESSES = "tests/parallel/test_processes.py::test_"
SKIPPING = "tests/control/test_skipping.py::test_"
ROLLBACK = "tests/test_rollback.py::test_"

PROMISES = (
    Promise(
        1,
        "A resume is exact, bit for bit: every schedule and policy, float32, bfloat16, x64, cut at any update, after a kill too",
        (
            CONFORMANCE + "a_run_saved_and_restored_goes_on_bit_for_bit",
            CONFORMANCE + "its_saved_form_gives_every_moment_back_to_the_last_bit",
            RATE + "a_restored_run_goes_on_as_the_whole_one",
            SAVED + "an_nnx_training_goes_on_bit_for_bit",
            SAVED + "a_plain_training_and_other_trees_go_on_bit_for_bit",
            "tests/training/test_resume.py",
            "tests/benchmarks/test_drills.py",
        ),
    ),
    Promise(
        2,
        "Restoring twice equals restoring once",
        (SAVED + "a_plain_training_and_other_trees_go_on_bit_for_bit", "tests/fuzz/test_state_machine.py"),
    ),
    Promise(
        3,
        "A resume never changes a setting silently: each field that differs is named with both values, and you say which wins",
        (
            SAVED + "other_settings_are_refused_and_change_nothing",
            RATE + "other_settings_are_named_with_both_values",
            RATE + "keep_checkpoint_goes_on_with_its_numbers",
            RATE + "keep_code_carries_a_policy_that_is_in_both",
        ),
    ),
    Promise(
        4, "No state is a dead one: a flat metric acts within a computed bound", (FAULTS + "no_state_is_dead", PLATEAU + "no_state_is_dead")
    ),
    Promise(5, "A partial restore is loud", (SAVED + "a_part_is_restored_only_by_name",)),
    Promise(
        6,
        "Hosts agree, or all of them stop",
        ("tests/parallel/test_processes.py", "tests/parallel/test_agreement.py", "tests/benchmarks/test_process_loss.py"),
    ),
    Promise(
        7,
        "Every decision is journalled with its reason, and can be replayed on another number of devices",
        (
            "tests/training/test_spread.py::test_the_decisions_of_eight_devices_are_replayed_on_one",
            "tests/replay/test_replay.py::test_a_runs_own_rule_gives_its_own_journal",
            "tests/replay/test_replay.py::test_a_recorded_loop_gives_its_own_journal_in_every_format",
        ),
    ),
    Promise(
        8,
        "Bad metrics can't move the rate: with one bad value at any position it is what it would be without",
        (FAULTS + "one_bad_value_at_any_position_changes_nothing", PLATEAU + "one_bad_value_anywhere_changes_nothing"),
    ),
    Promise(
        9,
        "A single lucky outlier need not freeze progress (`rx.Median`)",
        (FAULTS + "one_glitch_at_any_place_stops_no_progress_of_a_median",),
    ),
    Promise(
        10,
        "Improvement has the right sign: the least of x mirrors the greatest of -x, for negative values and across zero",
        (
            PLATEAU + "max_mirrors_min",
            PLATEAU + "steady_improvement_never_cuts_whatever_its_sign",
            PLATEAU + "a_worse_value_below_zero_is_no_improvement",
            "tests/policies/test_improvement.py",
        ),
    ),
    Promise(
        11,
        "The rate is the same for float32, bfloat16, float16 and mixed parameters",
        ("tests/control/test_dtypes.py::test_the_trajectory_of_the_rate_is_the_same_for_all_dtypes", CONFORMANCE + "x64_changes_nothing"),
    ),
    Promise(
        12,
        "The rate is finite, not negative, and exactly the end value past the end, eager, under jit, scan and vmap",
        (
            CONFORMANCE + "it_is_finite_and_not_negative_past_the_end",
            "tests/schedules/test_values.py::test_ends_are_exact",
            "tests/schedules/test_known_faults.py::test_a_jitted_polynomial_is_a_number_at_its_end",
        ),
    ),
    Promise(
        13,
        "Counts of any integer type and horizons of any length are right, or refused when they are made",
        (
            CONFORMANCE + "any_count_gives_float32",
            "tests/schedules/test_known_faults.py::test_unsigned_counts_before_a_boundary",
            "tests/schedules/test_known_faults.py::test_a_horizon_beyond_int32_is_refused",
            "tests/schedules/test_known_faults.py::test_the_longest_horizon_is_right",
            "tests/schedules/test_values.py::test_long_schedules_tell_their_last_updates_apart",
        ),
    ),
    Promise(
        14,
        "An observation isn't an update; accumulation averages over micro-batches; patience counts real updates or observations",
        (APPLIED + "an_observation_moves_the_next_update_and_not_what_was_applied", "tests/control/test_accumulation.py"),
    ),
    Promise(
        15,
        "There is one true rate: the one of the measured update, safe to read after donation",
        (
            APPLIED + "read_is_applied_through_schedule_policy_and_hand",
            APPLIED + "read_is_applied_per_group",
            "tests/control/test_transforms.py::test_rates_read_earlier_survive_donation",
            "tests/fuzz/test_state_machine.py",
        ),
    ),
    Promise(
        16,
        "Lengths may be in steps, epochs, samples and tokens; a changed batch size keeps the rate continuous",
        (
            "tests/test_units.py::test_a_decay_in_samples_proceeds_with_the_samples",
            "tests/test_units.py::test_learning_of_a_larger_batch_mid_run_moves_nothing_that_has_been",
        ),
    ),
    Promise(
        17,
        "Whether a skipped update advances the schedule is said by a named rule",
        (
            SKIPPING + "nothing_but_counters_moves",
            SKIPPING + "one_bad_number_among_many_is_seen",
            SKIPPING + "a_skipped_update_holds_the_schedule",
            SKIPPING + "or_advances_it",
        ),
    ),
    Promise(
        18,
        "jit, scan, vmap, nnx.vmap, donation and a mesh of 8 devices: the same rates, compiled once",
        (
            CONFORMANCE + "a_scan_is_a_loop",
            CONFORMANCE + "new_hyperparameters_are_no_new_trace",
            "tests/control/test_transforms.py",
            "tests/optimizer/test_transforms.py",
            "tests/optimizer/test_sharding.py",
        ),
    ),
    Promise(
        19,
        "A rollback restores weights, optimizer and rate together, and a cut survives it",
        (
            ROLLBACK + "weights_optimizer_and_rate_come_back_together",
            ROLLBACK + "a_cut_survives_and_adds_up",
            ROLLBACK + "copies_may_lie_in_checkpoints",
        ),
    ),
)
