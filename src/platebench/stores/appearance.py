"""Colours and marks that charts use for formats.

The colours are those of Okabe and Ito (2008), "Color universal design", which people with the
common kinds of colour blindness can tell apart. Their yellow is left out because it is too light
on white. Seven colours and seven marks make 49 pairs, enough for one per format.
"""

from __future__ import annotations

from enum import StrEnum


class Colour(StrEnum):
    """A colour of Okabe and Ito's palette, as sRGB."""

    BLACK = "#000000"
    ORANGE = "#E69F00"
    SKY_BLUE = "#56B4E9"
    GREEN = "#009E73"
    BLUE = "#0072B2"
    VERMILION = "#D55E00"
    PURPLE = "#CC79A7"


class Mark(StrEnum):
    """The shape of a point, by Vega-Lite's name."""

    CROSS = "cross"
    CIRCLE = "circle"
    SQUARE = "square"
    DIAMOND = "diamond"
    TRIANGLE_UP = "triangle-up"
    TRIANGLE_DOWN = "triangle-down"
    TRIANGLE_RIGHT = "triangle-right"


UNKNOWN_COLOUR = "#767676"
"""Grey, for formats that old results name and the registry no longer has."""

UNKNOWN_MARK = "triangle-left"
"""The mark of those formats. No registered format has it."""
