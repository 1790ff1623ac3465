"""The comparison of rules: how runs are counted, and that they run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.policies import figures
from benchmarks.policies.problems import PROBLEMS, Problem
from benchmarks.policies.rules import RULES
from benchmarks.policies.run import Outcome, make_run
from benchmarks.policies.study import MISSET, MISSET_SEEDS, SEEDS, TUNING, Book, chosen, study

SHORT = Problem(PROBLEMS["diabetes"].make, updates=40, evaluations=4)
PATH = (1.8, 1.5, 1.3)


def made_up(path, ends):
    """Return a book in which every rule begins at 2 and ends, after evaluations at 1.8, 1.5 and 1.3, where it is told to."""
    book = Book(path)
    for rule, details in RULES.items():
        best = details.numbers[2]
        for number in details.numbers:
            for seed in TUNING:
                book.keep("diabetes", rule, number, seed, Outcome(2.0, [*PATH, 1.0 if number == best else 1.1], None))
        for seed in SEEDS:
            cut = 7 if rule == "ReduceOnStatisticalPlateau" and seed < 4 else None
            book.keep("diabetes", rule, best, seed, Outcome(2.0, [*PATH, ends.get(rule, 1.0) + 2e-4 * seed], cut))
        for factor in MISSET:
            for seed in MISSET_SEEDS:
                book.keep("diabetes", rule, best * factor, seed, Outcome(2.0, [*PATH, np.nan if factor > 10 else 1.25], None))
    return book


def test_figures(tmp_path, monkeypatch):
    monkeypatch.setitem(PROBLEMS, "diabetes", dataclasses.replace(PROBLEMS["diabetes"], updates=20, evaluations=4))
    found = figures.summarize(made_up(tmp_path / "runs", {"linear to zero": 0.9, "constant": 1.2, "DoG": 1.0005}), ["diabetes"])
    rules = found["rules"]
    fall = 2.0 - np.mean([1.0 + 2e-4 * seed for seed in SEEDS])
    assert rules["cosine to zero"]["beside_cosine"] == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(rules["linear to zero"]["beside_cosine"], -0.1 / fall, rtol=1e-9)  # the seeds are paired: no spread
    np.testing.assert_allclose(rules["constant"]["beside_cosine"], 0.2 / fall, rtol=1e-9)
    assert rules["linear to zero"]["reached"][0] == rules["DoG"]["reached"][0] == 1.0
    assert rules["constant"]["reached"][0] == 0.0
    assert rules["constant"]["time"][0] == 1.0
    np.testing.assert_allclose(rules["DoG"]["misset"]["5"], [(1.25 - 2.0 + fall) / fall] * 3, rtol=1e-9)
    assert rules["DoG"]["misset"]["30"] == (1.0, 1.0, 1.0)  # no number at all
    assert rules["ReduceOnStatisticalPlateau"]["cuts"] == {"runs": 20, "cut": 4, "false": 4}  # its twin goes on from 1.8 to 1.5
    assert rules["DoG"]["cuts"] is None
    text = figures.to_markdown(found)
    assert "| linear to zero | 0.9019 ▼ |" in text
    assert "| constant | 1.2019 ▲ |" in text
    assert "| DoG | 1.0024 ▲ |" in text
    figures.draw(found, tmp_path / "figure.png")


def test_an_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(1)
    low, high = np.array([figures.interval([random.normal(0.3, 1.0, 40)])[1:] for _ in range(200)]).T
    assert 0.90 <= np.mean((low <= 0.3) & (high >= 0.3)) <= 0.98


def test_an_interval_over_problems_knows_their_spread():
    same, apart = ([np.full(20, center) for center in centers] for centers in ((1.0, 1.0, 1.0), (0.0, 1.0, 2.0)))
    assert figures.interval(same) == (1.0, 1.0, 1.0)
    mean, low, high = figures.interval(apart)
    assert mean == 1.0
    assert low < 0.4
    assert high > 1.6


def test_the_best_number_is_the_one_whose_runs_end_lowest_and_all_end(tmp_path):
    book, (low, middle, high, *others) = Book(tmp_path / "runs"), RULES["constant"].numbers
    for seed in TUNING:
        book.keep("diabetes", "constant", low, seed, Outcome(2.0, [1.0], None))
        book.keep("diabetes", "constant", middle, seed, Outcome(2.0, [0.5], None))
        book.keep("diabetes", "constant", high, seed, Outcome(2.0, [np.nan if seed == TUNING[1] else 0.0], None))
        for number in others:
            book.keep("diabetes", "constant", number, seed, Outcome(2.0, [3.0], None))
    assert chosen(book, "diabetes", "constant") == middle
    assert chosen(Book(tmp_path / "runs"), "diabetes", "constant") == middle  # read back


@pytest.mark.parametrize("rule", ["optax's plateau, every loss", "ReduceOnPlateau, validation"])
def test_a_run_tells_when_it_is_cut(rule):
    run = make_run(SHORT, RULES[rule])
    outcome = run(1e-9, 0)  # so low that no loss gets better
    assert len(outcome.losses) == 4
    np.testing.assert_allclose(outcome.losses, outcome.start, rtol=1e-5)
    assert outcome.cut is None or outcome.cut > SHORT.warmup
    assert (outcome.cut is None) == (rule == "ReduceOnPlateau, validation")  # patient for three evaluations of four
    again = run(3e-3, 0)
    assert again == run(3e-3, 0)
    assert again != run(3e-3, 1)


def test_the_averaged_weights_of_schedule_free_are_validated():
    ours, plain = (
        make_run(SHORT, dataclasses.replace(RULES["Schedule-Free"], **change))(1e-2, 0) for change in ({}, {"weights": lambda s, p: p})
    )
    assert ours.start == plain.start
    assert ours.losses != plain.losses


def test_what_is_known_is_not_run_again(tmp_path, monkeypatch):
    book = made_up(tmp_path / "runs", {})
    before = len(book)
    monkeypatch.setattr("benchmarks.policies.study.make_run", lambda *_: pytest.fail("it was run again"))
    study("diabetes", book)
    assert len(book) == before
