from __future__ import annotations

import pytest

from platebench.images.names import NOWHERE, Place, place_of


@pytest.mark.parametrize(
    ("stem", "place"),
    [
        ("LT0001_02.LT0001_02_15_43_IC", Place("LT0001_02", "15", None, 43)),
        ("LT0123_44.LT0123_44_384_93", Place("LT0123_44", "384", None, 93)),
        ("B7_01_1_3_DAPI_001", Place(None, "B7", "3", 1)),
        ("D6_01_1_2_GFP_012", Place(None, "D6", "2", 12)),
        ("LT0001_02.LT0009_02_15_43_IC", NOWHERE),
        ("holiday", NOWHERE),
        ("2024_01_02_03", NOWHERE),
        ("", NOWHERE),
    ],
)
def test_place_of_parses_plate_well_site_and_frame(stem, place):
    assert place_of(stem) == place
