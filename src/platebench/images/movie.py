"""What happens in one well: nuclei that drift, touch, divide and die, frame after frame.

A movie is a function of (seed, number) alone, so any process can draw any frame of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from platebench.images.nuclei import TEXTURE_SIDE, Nucleus, Patch, draw
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
class Cell:
    """A nucleus over time. `x`, `y`: int64 (FRAMES,), the centre in pixels, possibly outside.

    It is in the field from frame `first` to `last`, both included; `mother` is the number of the
    cell it came from, or None; `ends` says how it leaves: `division`, `death` or `never`.
    """

    number: int
    nucleus: Nucleus
    x: np.ndarray
    y: np.ndarray
    first: int
    last: int
    mother: int | None
    ends: str

    def phenotype(self, frame: int) -> str:
        """Return the class that the nucleus shows in `frame`."""
        left = self.last - frame
        if self.ends == "division" and left < 3:
            return "Metaphase" if left < 2 else "Prometaphase"
        if self.ends == "death" and left < _DYING:
            return "Apoptosis"
        if self.mother is not None and frame - self.first < 2:
            return "Anaphase"
        return self.nucleus.phenotype


class Movie:
    """The movie `number` of a seed: `cells`, and where each is drawn in a frame."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed = seed
        self.number = number
        self._patches: dict[tuple[int, str], Patch] = {}

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells that are ever in the movie, mothers before daughters."""
        source = generator(_POPULATION_STREAM, self.seed, self.number)
        count = 60 + int(random_integers(source, (1,))[0]) % 17
        traits = random_integers(source, (3 * count, 12 + 2 * _TRIES))
        walks = self._walks(3 * count)
        cells: list[Cell] = []
        for row in range(count):
            cells.append(self._settler(cells, traits[row], walks[row]))
        for mother in [cell for cell in cells if cell.ends == "division"]:
            for side in (-1, 1):
                row = len(cells)
                cells.append(_daughter(row, mother, side, traits[row], walks[row]))
        return cells

    def visible(self, frame: int) -> list[tuple[Cell, Patch]]:
        """Return the cells whose patch reaches into `frame`, in the order of their numbers."""
        seen = []
        for cell in self.cells:
            if cell.first <= frame <= cell.last:
                patch = self._patch(cell, cell.phenotype(frame))
                x, y, reach = int(cell.x[frame]), int(cell.y[frame]), patch.reach
                if -reach <= x < WIDTH + reach and -reach <= y < HEIGHT + reach:
                    seen.append((cell, patch))
        return seen

    def _patch(self, cell: Cell, phenotype: str) -> Patch:
        key = (cell.number, phenotype)
        if key not in self._patches:
            self._patches[key] = draw(cell.nucleus, phenotype)
        return self._patches[key]

    def _walks(self, count: int) -> np.ndarray:
        """Return int64 (count, 2, FRAMES): a random walk in pixels, 0.7 a frame in each axis."""
        steps = random_bytes(generator(_WALK_STREAM, self.seed, self.number), count * 2 * FRAMES)
        moves = (steps & 1).astype(np.int64) + ((steps >> 1) & 1) - 1
        return np.cumsum(moves.reshape(count, 2, FRAMES), axis=2)

    def _settler(self, others: list[Cell], traits: np.ndarray, walk: np.ndarray) -> Cell:
        t = [int(trait) for trait in traits]
        nucleus = _nucleus(t)
        x, y = _free_place(others, nucleus, t[12:])
        if others and t[8] % 100 < 30:
            x, y = _place_beside(others[t[9] % len(others)], nucleus)
        ends, last = _fate(t[10], t[11])
        return Cell(len(others), nucleus, x + walk[0], y + walk[1], 0, last, None, ends)


@lru_cache(maxsize=2)
def movie(seed: int, number: int) -> Movie:
    """Return the movie, kept while its neighbouring frames are drawn."""
    return Movie(seed, number)


def _nucleus(t: list[int]) -> Nucleus:
    # Weights in percent: most nuclei of an unperturbed well are in interphase.
    odd = {0: "Large", 1: "Large", 2: "Large", 3: "Elongated", 4: "Elongated"}
    odd |= {5: "Binuclear", 6: "Binuclear", 7: "Polylobed", 8: "Polylobed"}
    angle = t[3] % 128 - 64
    p, q = (angle, 64 - abs(angle)) if t[3] & 128 else (angle, abs(angle) - 64)
    return Nucleus(
        phenotype=odd.get(t[0] % 100, "Interphase"),
        radius=15 + t[1] % 5 + (t[1] >> 8) % 5,
        light=(48 + t[2] % 32 + (t[2] >> 8) % 32) * 16,
        p=p,
        q=q,
        aspect=40 + t[4] % 22,
        grain=(t[5] % (TEXTURE_SIDE // 2), (t[5] >> 10) % (TEXTURE_SIDE // 2)),
    )


def _free_place(others: list[Cell], nucleus: Nucleus, chances: list[int]) -> tuple[int, int]:
    """Return the first of some places where the nucleus lies on no other, or else the last."""
    taken = [(int(cell.x[0]), int(cell.y[0]), cell.nucleus.radius) for cell in others]
    for chance_x, chance_y in zip(chances[::2], chances[1::2], strict=True):
        x = chance_x % (WIDTH + 2 * _MARGIN) - _MARGIN
        y = chance_y % (HEIGHT + 2 * _MARGIN) - _MARGIN
        if all(
            (x - u) ** 2 + (y - v) ** 2 > (nucleus.radius + radius + 8) ** 2
            for u, v, radius in taken
        ):
            break
    return x, y


def _place_beside(other: Cell, nucleus: Nucleus) -> tuple[int, int]:
    """Return the place where the nucleus, along its long axis, touches `other`."""
    length = float(np.sqrt(np.float64(nucleus.p**2 + nucleus.q**2)))
    gap = (nucleus.radius + other.nucleus.radius) * 0.95 / length
    return int(other.x[0]) + int(gap * nucleus.p), int(other.y[0]) + int(gap * nucleus.q)


def _fate(chance: int, moment: int) -> tuple[str, int]:
    """Return how a cell ends and its last frame: in 47 hours two of five divide, few die."""
    if chance % 100 < 40:
        return "division", 4 + moment % (FRAMES - 8)
    if chance % 100 < 46:
        return "death", _DYING + moment % (FRAMES - _DYING)
    return "never", FRAMES - 1


def _daughter(number: int, mother: Cell, side: int, traits: np.ndarray, walk: np.ndarray) -> Cell:
    born = mother.last + 1
    t = [int(trait) for trait in traits]
    own = _nucleus(t)
    p, q = mother.nucleus.p, mother.nucleus.q
    nucleus = Nucleus(
        "Interphase", max(11, mother.nucleus.radius - 2), own.light, -q, p, own.aspect, own.grain
    )
    # The two sets of chromosomes part across the metaphase plate, then drift on their own.
    apart = np.minimum(np.maximum(np.arange(FRAMES) - born, 0), _SEPARATING) + 2
    walked = walk - walk[:, born : born + 1]
    x = mother.x[mother.last] + (-q * side * apart * 4) // 64 + walked[0]
    y = mother.y[mother.last] + (p * side * apart * 4) // 64 + walked[1]
    return Cell(number, nucleus, x, y, born, FRAMES - 1, mother.number, "never")
