"""The probability of overfitting: against the definition, and calibrated on noise and on an edge."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.research.overfit import probability_of_overfitting


def by_the_definition(returns, blocks):
    """The paper's steps 1 to 6, one split at a time."""
    rows = len(returns) // blocks
    parts = np.array_split(returns[len(returns) - rows * blocks :], blocks)
    looked = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.vstack([parts[i] for i in chosen])
        outside = np.vstack([parts[i] for i in range(blocks) if i not in chosen])
        seen = inside.mean(axis=0) / inside.std(axis=0, ddof=1)
        best = int(np.argmax(seen))
        later = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = 1 + int((later < later[best]).sum())
        relative = rank / (returns.shape[1] + 1)
        looked.append((seen[best], later[best], np.log(relative / (1 - relative))))
    return np.array(looked)


@pytest.mark.parametrize(("rows", "trials", "blocks"), [(64, 5, 8), (203, 12, 6), (40, 2, 4), (400, 30, 10)])
def test_it_is_the_definition_split_by_split(rows, trials, blocks):
    returns = np.random.default_rng(rows).normal(0.0, 0.01, (rows, trials))
    found = probability_of_overfitting(returns, blocks=blocks)
    expected = by_the_definition(returns, blocks)
    looked = np.stack([found.best_in_sample, found.best_out_of_sample, found.logits], axis=1)
    order, other = (np.lexsort(one.T[::-1]) for one in (looked, expected))
    assert looked[order] == pytest.approx(expected[other], abs=1e-12)
    assert found.pbo == (expected[:, 2] <= 0).mean()
    assert found.slope == pytest.approx(np.polyfit(expected[:, 0], expected[:, 1], 1)[0], abs=1e-9)


def test_on_noise_it_is_a_half():
    generator = np.random.default_rng(20_261_121)
    found = [
        probability_of_overfitting(generator.normal(0.0, 0.01, (200, 20)), blocks=8).pbo for _ in range(200)
    ]
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(0.5, abs=3 * error)


def test_a_true_edge_is_no_overfitting():
    returns = np.random.default_rng(4).normal(0.0, 0.01, (500, 20))
    returns[:, 7] += 0.004
    found = probability_of_overfitting(returns)
    assert found.pbo < 0.01
    assert found.probability_of_loss < 0.01
    assert len(found.logits) == 12_870


def test_trials_that_never_traded_count_as_nothing():
    returns = np.random.default_rng(5).normal(0.0, 0.01, (100, 6))
    returns[:, 2] = 0.0
    returns[:, 3] = 0.001
    found = probability_of_overfitting(returns, blocks=4)
    assert np.isfinite(found.logits).all()
    same = probability_of_overfitting(np.zeros((100, 4)), blocks=4)
    assert np.isnan(same.slope)
    assert same.pbo == 1.0, "of equals none is better than the median"


@pytest.mark.parametrize(
    ("returns", "blocks", "field"),
    [
        (np.zeros((100, 1)), 4, "returns"), (np.zeros(100), 4, "returns"),
        (np.zeros((100, 3)), 5, "blocks"), (np.zeros((100, 3)), 22, "blocks"),
        (np.zeros((100, 3)), 2, "blocks"), (np.zeros((31, 3)), 16, "blocks"),
        (np.full((100, 3), np.nan), 4, "returns"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(returns, blocks, field):
    with pytest.raises(InputError) as refused:
        probability_of_overfitting(returns, blocks=blocks)
    assert refused.value.field == field
