"""Moderate the variances of many cells that were measured side by side (Smyth 2004).

Two rounds give an interval that is 6 times as wide as its noise warrants, on average, and three
rounds one of twice the width. Six rounds give a precise ratio but an imprecise error: with five
degrees of freedom a cell must differ by 6 standard errors to be significant among forty. The cells
were measured in the same rounds on the same machine, so their noise is alike. Each variance is
moved towards the typical variance, further if the variances agree. This is the moderated t of Smyth
(2004), Linear models and empirical Bayes methods, Stat. Appl. Genet. Mol. Biol. 3:3, doi
10.2202/1544-6115.1027, sections 4 and 6.2. If the variances disagree, nothing is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from platebench.results.robust_mean import RobustMean

FEWEST_CELLS = 5
"""With fewer cells, agreement of their variances cannot be told from chance."""


@dataclass(frozen=True)
class Noise:
    """What cells that were measured side by side tell of each other's variance.

    `variance` between rounds is the typical one, and `degrees_of_freedom` say how well they agree:
    infinite if all have the same. `most` are those of all cells together.
    """

    variance: float
    degrees_of_freedom: float
    most: float


def noise_of(means: Sequence[RobustMean], sharing: float = 1.0) -> Noise | None:
    """Return the common noise of these means; None if too few of them have a variance.

    `sharing` is how many means are ratios to the same cell, whose error is in all of them. If half
    of the variance of each is that error, two means correlate at 0.5 and their variances at 0.25.
    So they tell less of the common variance than as many independent ones, and have as many degrees
    of freedom as `1 + (sharing - 1) / 4` times fewer.
    """
    voters = [mean for mean in means if mean.deviation]
    if len(voters) < FEWEST_CELLS:
        return None
    prior_variance, prior_freedom = _prior(
        np.array([mean.deviation for mean in voters]) ** 2,
        np.array([mean.degrees_of_freedom for mean in voters]),
    )
    most = sum(mean.degrees_of_freedom for mean in voters) / (1 + (sharing - 1) / 4)
    return Noise(prior_variance, prior_freedom, most)


def moderate(means: Sequence[RobustMean]) -> list[RobustMean]:
    """Return the means with moderated deviation and degrees of freedom, in the same order.

    All are unchanged if fewer than five have a variance.
    """
    noise = noise_of(means)
    return list(means) if noise is None else [moderated(mean, noise) for mean in means]


def moderated(mean: RobustMean, noise: Noise) -> RobustMean:
    """Return a mean with its variance moved towards the common one.

    A single round has no variance, and a variance of zero has no logarithm: both are returned
    unchanged.
    """
    if not mean.deviation:
        return mean
    freedom, prior_freedom = mean.degrees_of_freedom, noise.degrees_of_freedom
    share = 1.0 if np.isinf(prior_freedom) else prior_freedom / (prior_freedom + freedom)
    variance = share * noise.variance + (1 - share) * mean.deviation**2
    most = max(noise.most, freedom)
    return replace(
        mean,
        deviation=float(np.sqrt(variance)),
        degrees_of_freedom=float(min(prior_freedom + freedom, most)),
    )


def with_prior(mean: RobustMean, noise: Noise | None) -> RobustMean:
    """Return the mean of a single round with the variance of others, if that is known.

    It is what `moderated` comes to with no degree of freedom of its own.
    """
    if mean.deviation is not None or noise is None:
        return mean
    freedom = min(noise.degrees_of_freedom, noise.most)
    return replace(mean, deviation=float(np.sqrt(noise.variance)), degrees_of_freedom=freedom)


def with_noise(mean: RobustMean, noise: Noise | None) -> RobustMean:
    """Return a mean with what other cells tell of its variance, if that is known."""
    return with_prior(mean if noise is None else moderated(mean, noise), noise)


def _prior(variances: np.ndarray, degrees_of_freedom: np.ndarray) -> tuple[float, float]:
    """Return the prior variance of the cells and its degrees of freedom."""
    half = degrees_of_freedom / 2
    logarithms = np.log(variances) - special.digamma(half) + np.log(half)
    expected = np.mean(special.polygamma(1, half))
    excess = float(np.var(logarithms, ddof=1) - expected)
    middle = float(np.mean(logarithms))
    if excess <= 0:
        return float(np.exp(middle)), np.inf
    prior_half = _inverse_trigamma(excess)
    variance = np.exp(middle + special.digamma(prior_half) - np.log(prior_half))
    return float(variance), 2 * prior_half


def _inverse_trigamma(value: float) -> float:
    # trigamma(x) is about 1 / x**2 near zero and about 1 / x for large x.
    low, high = 0.5 / (1 + value), 2 + 2 / value
    return float(optimize.brentq(lambda x: special.polygamma(1, x) - value, low, high))
