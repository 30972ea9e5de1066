"""What many cells measured side by side teach each other about their noise.

Six rounds tell a ratio well and its error badly: with five degrees of freedom a cell must stand out
by 6 standard errors to be beyond doubt among forty. The cells were measured in the same rounds on
the same machine, so their noise is alike. Each cell's variance is drawn towards what is usual among
them, by as much as the cells' variances agree. This is the moderated t of Smyth (2004), Linear
models and empirical Bayes methods, Stat. Appl. Genet. Mol. Biol. 3:3, doi 10.2202/1544-6115.1027,
sections 4 and 6.2. Where cells disagree nothing is borrowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special

from platebench.results.robust_mean import Spread

FEWEST_CELLS = 5
"""With fewer cells than this their agreement cannot be told from chance."""


def moderate(spreads: Sequence[Spread]) -> list[Spread]:
    """Return the spreads with deviation and freedom moderated over all of them, in the same order.

    A single round has no variance to share and one that varies not at all no logarithm; both are
    returned as they came, as is everything when fewer than five cells are left.
    """
    voters = [spread for spread in spreads if spread.deviation]
    if len(voters) < FEWEST_CELLS:
        return list(spreads)
    usual, trust = _usual_variance(
        np.array([spread.deviation for spread in voters]) ** 2,
        np.array([spread.freedom for spread in voters]),
    )
    most = sum(spread.freedom for spread in voters)
    return [
        _moderated(spread, usual, trust, most) if spread.deviation else spread for spread in spreads
    ]


def _usual_variance(variances: np.ndarray, freedom: np.ndarray) -> tuple[float, float]:
    """Return the variance usual among the cells, and the degrees of freedom it is worth."""
    half = freedom / 2
    logarithms = np.log(variances) - special.digamma(half) + np.log(half)
    expected = np.mean(special.polygamma(1, half))
    excess = float(np.var(logarithms, ddof=1) - expected)
    middle = float(np.mean(logarithms))
    if excess <= 0:
        return float(np.exp(middle)), np.inf
    prior_half = _inverse_trigamma(excess)
    usual = np.exp(middle + special.digamma(prior_half) - np.log(prior_half))
    return float(usual), 2 * prior_half


def _inverse_trigamma(value: float) -> float:
    # trigamma falls from about 1 / x**2 near zero to about 1 / x far out.
    low, high = 0.5 / (1 + value), 2 + 2 / value
    return float(optimize.brentq(lambda x: special.polygamma(1, x) - value, low, high))


def _moderated(spread: Spread, usual: float, trust: float, most: float) -> Spread:
    assert spread.deviation is not None
    share = 1.0 if np.isinf(trust) else trust / (trust + spread.freedom)
    variance = share * usual + (1 - share) * spread.deviation**2
    return replace(
        spread,
        deviation=float(np.sqrt(variance)),
        freedom=float(min(trust + spread.freedom, most)),
    )
