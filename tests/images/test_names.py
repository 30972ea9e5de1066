from __future__ import annotations

import pytest

from platebench.errors import UserError
from platebench.images.names import NOWHERE, Place, file_pattern, place_of


@pytest.mark.parametrize(
    ("stem", "place"),
    [
        ("LT0001_02.LT0001_02_15_43_IC", Place("LT0001_02", "15", None, 43)),
        ("LT0123_44.LT0123_44_384_93", Place("LT0123_44", "384", None, 93)),
        ("B7_01_1_3_DAPI_001", Place(None, "B7", "3", 1)),
        ("D6_01_1_2_GFP_012", Place(None, "D6", "2", 12)),
        ("LT0001_02.LT0009_02_15_43_IC", NOWHERE),
        ("B02_s1_DAPI", Place(None, "B02", "1", None, "DAPI")),
        ("B02_s1", Place(None, "B02", "1")),
        ("plate_1_H12_s03_t005_z2_w1", Place("plate_1", "H12", "03", 5, "w1", 2)),
        ("Z02_s1_DAPI", NOWHERE),
        ("holiday", NOWHERE),
        ("2024_01_02_03", NOWHERE),
        ("", NOWHERE),
    ],
)
def test_place_of_parses_plate_well_site_and_frame(stem, place):
    assert place_of(stem) == place


def test_given_pattern_replaces_the_known_ones():
    pattern = file_pattern(r"^(?P<well>[A-P]\d\d)-t(?P<frame>\d+)")
    assert place_of("B02-t007-x", pattern) == Place(well="B02", frame=7)
    assert place_of("B02_s1_DAPI", pattern) == NOWHERE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(?P<well>", "not a regular expression"),
        (r"(\d+)", "has no named group"),
        (r"(?P<row>\d+)", "has an unknown group 'row'"),
    ],
)
def test_unusable_pattern_is_refused(text, words):
    with pytest.raises(UserError, match=words):
        file_pattern(text)


@pytest.mark.parametrize("stem", ["t=x", "t=99999999999"])
def test_frame_that_is_no_integer_is_refused(stem):
    with pytest.raises(UserError, match="not an integer"):
        place_of(stem, file_pattern("t=(?P<frame>.*)"))
