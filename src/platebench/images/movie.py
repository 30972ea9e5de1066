"""Simulate the nuclei of one well over time: they drift, touch, divide and die.

A movie is a function of (seed, number) alone, so any process can draw any frame of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from platebench.images.nuclei import TEXTURE_SIDE, NucleusShape, Patch, draw
from platebench.images.randomness import generator, random_bytes, random_integers

HEIGHT, WIDTH = 1024, 1344
FRAMES = 94
"""Frames of a Mitocheck movie, 30 minutes apart."""

_POPULATION_STREAM, _WALK_STREAM = 1, 2
_MARGIN = 12
_TRIES = 6
_SEPARATING = 3
_DYING = 6


@dataclass(frozen=True)
class Nucleus:
    """A nucleus over time. `x`, `y`: int64 (FRAMES,), the centre in pixels; may be off the field.

    It exists from frame `first` to `last`, inclusive. `mother` is the number of the nucleus it
    descends from, or None. `fate` is `division`, `death` or `none`.
    """

    number: int
    shape: NucleusShape
    x: np.ndarray
    y: np.ndarray
    first: int
    last: int
    mother: int | None
    fate: str

    def phenotype(self, frame: int) -> str:
        """Return the phenotypic class in `frame`."""
        left = self.last - frame
        if self.fate == "division" and left < 3:
            return "Metaphase" if left < 2 else "Prometaphase"
        if self.fate == "death" and left < _DYING:
            return "Apoptosis"
        if self.mother is not None and frame - self.first < 2:
            return "Anaphase"
        return self.shape.phenotype


class Movie:
    """Movie `number` of a seed: its nuclei and their patches in each frame."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed = seed
        self.number = number
        self._patches: dict[tuple[int, str], Patch] = {}

    @cached_property
    def nuclei(self) -> list[Nucleus]:
        """All nuclei of the movie, mothers before daughters."""
        source = generator(_POPULATION_STREAM, self.seed, self.number)
        count = 60 + int(random_integers(source, (1,))[0]) % 17
        traits = random_integers(source, (3 * count, 12 + 2 * _TRIES))
        walks = self._walks(3 * count)
        nuclei: list[Nucleus] = []
        for row in range(count):
            nuclei.append(_founder(nuclei, traits[row], walks[row]))
        for mother in [nucleus for nucleus in nuclei if nucleus.fate == "division"]:
            for side in (-1, 1):
                row = len(nuclei)
                nuclei.append(_daughter(row, mother, side, traits[row], walks[row]))
        return nuclei

    def visible(self, frame: int) -> list[tuple[Nucleus, Patch]]:
        """Return the nuclei whose patch overlaps the field in `frame`, in order of number."""
        seen = []
        for nucleus in self.nuclei:
            if nucleus.first <= frame <= nucleus.last:
                patch = self._patch(nucleus, nucleus.phenotype(frame))
                x, y, reach = int(nucleus.x[frame]), int(nucleus.y[frame]), patch.reach
                if -reach <= x < WIDTH + reach and -reach <= y < HEIGHT + reach:
                    seen.append((nucleus, patch))
        return seen

    def _patch(self, nucleus: Nucleus, phenotype: str) -> Patch:
        key = (nucleus.number, phenotype)
        if key not in self._patches:
            self._patches[key] = draw(nucleus.shape, phenotype)
        return self._patches[key]

    def _walks(self, count: int) -> np.ndarray:
        """Return random walks in pixels, int64 (count, 2, FRAMES): RMS step 0.7 per axis."""
        steps = random_bytes(generator(_WALK_STREAM, self.seed, self.number), count * 2 * FRAMES)
        moves = (steps & 1).astype(np.int64) + ((steps >> 1) & 1) - 1
        return np.cumsum(moves.reshape(count, 2, FRAMES), axis=2)


@lru_cache(maxsize=2)
def movie(seed: int, number: int) -> Movie:
    """Return a movie from a small cache, which serves the drawing of successive frames."""
    return Movie(seed, number)


def _founder(others: list[Nucleus], traits: np.ndarray, walk: np.ndarray) -> Nucleus:
    """Return a nucleus of frame 0. In 30% of cases it touches one of `others`."""
    t = [int(trait) for trait in traits]
    shape = _shape(t)
    x, y = _free_place(others, shape, t[12:])
    if others and t[8] % 100 < 30:
        x, y = _place_beside(others[t[9] % len(others)], shape)
    fate, last = _fate(t[10], t[11])
    return Nucleus(len(others), shape, x + walk[0], y + walk[1], 0, last, None, fate)


def _shape(t: list[int]) -> NucleusShape:
    # Frequencies in percent: most nuclei of an unperturbed well are in interphase.
    odd = {0: "Large", 1: "Large", 2: "Large", 3: "Elongated", 4: "Elongated"}
    odd |= {5: "Binuclear", 6: "Binuclear", 7: "Polylobed", 8: "Polylobed"}
    angle = t[3] % 128 - 64
    p, q = (angle, 64 - abs(angle)) if t[3] & 128 else (angle, abs(angle) - 64)
    return NucleusShape(
        phenotype=odd.get(t[0] % 100, "Interphase"),
        radius=15 + t[1] % 5 + (t[1] >> 8) % 5,
        light=(48 + t[2] % 32 + (t[2] >> 8) % 32) * 16,
        p=p,
        q=q,
        aspect=40 + t[4] % 22,
        grain=(t[5] % (TEXTURE_SIDE // 2), (t[5] >> 10) % (TEXTURE_SIDE // 2)),
    )


def _free_place(others: list[Nucleus], shape: NucleusShape, chances: list[int]) -> tuple[int, int]:
    """Return the first candidate place that overlaps no other nucleus, or else the last one."""
    taken = [(int(nucleus.x[0]), int(nucleus.y[0]), nucleus.shape.radius) for nucleus in others]
    for chance_x, chance_y in zip(chances[::2], chances[1::2], strict=True):
        x = chance_x % (WIDTH + 2 * _MARGIN) - _MARGIN
        y = chance_y % (HEIGHT + 2 * _MARGIN) - _MARGIN
        if all(
            (x - u) ** 2 + (y - v) ** 2 > (shape.radius + radius + 8) ** 2 for u, v, radius in taken
        ):
            break
    return x, y


def _place_beside(other: Nucleus, shape: NucleusShape) -> tuple[int, int]:
    """Return the place where a nucleus touches `other` along its long axis."""
    length = float(np.sqrt(np.float64(shape.p**2 + shape.q**2)))
    gap = (shape.radius + other.shape.radius) * 0.95 / length
    return int(other.x[0]) + int(gap * shape.p), int(other.y[0]) + int(gap * shape.q)


def _fate(chance: int, moment: int) -> tuple[str, int]:
    """Draw the fate of a nucleus and its last frame. In 47 hours, 40% divide and 6% die."""
    if chance % 100 < 40:
        return "division", 4 + moment % (FRAMES - 8)
    if chance % 100 < 46:
        return "death", _DYING + moment % (FRAMES - _DYING)
    return "none", FRAMES - 1


def _daughter(
    number: int, mother: Nucleus, side: int, traits: np.ndarray, walk: np.ndarray
) -> Nucleus:
    born = mother.last + 1
    t = [int(trait) for trait in traits]
    own = _shape(t)
    p, q = mother.shape.p, mother.shape.q
    shape = NucleusShape(
        "Interphase", max(11, mother.shape.radius - 2), own.light, -q, p, own.aspect, own.grain
    )
    # The two sets of chromosomes separate across the metaphase plate, then drift independently.
    apart = np.minimum(np.maximum(np.arange(FRAMES) - born, 0), _SEPARATING) + 2
    walked = walk - walk[:, born : born + 1]
    x = mother.x[mother.last] + (-q * side * apart * 4) // 64 + walked[0]
    y = mother.y[mother.last] + (p * side * apart * 4) // 64 + walked[1]
    return Nucleus(number, shape, x, y, born, FRAMES - 1, mother.number, "none")
