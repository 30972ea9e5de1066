from __future__ import annotations

from pathlib import PurePath

import pytest

from platebench.errors import UserError
from platebench.images.table_names import check_names, names_of_files


def named(*files: str, taken: tuple[str, ...] = ()) -> list[str]:
    return list(names_of_files(map(PurePath, files), taken))


def test_table_has_the_name_of_its_file_without_the_ending():
    assert named("cells.csv", "a/b/Nuclei.TSV.gz") == ["cells", "a-b-Nuclei"]


def test_ending_stays_where_names_would_be_the_same_or_reserved():
    assert named("cells.csv", "cells.tsv", "x.txt") == ["cells.csv", "cells.tsv", "x"]
    assert named("images.csv", "Pixels.csv") == ["images.csv", "Pixels.csv"]
    assert named("objects.csv", taken=("objects",)) == ["objects.csv"]
    assert named("a/b.csv", "a-b.tsv") == ["a-b.csv", "a-b.tsv"]


def test_names_of_usual_files_are_allowed():
    check_names(named("cells.csv", "images.csv", "a b/Größe (µm).csv", "1.csv"))


@pytest.mark.parametrize(
    "name", ["", " a", "a/b", ".a", "a\nb", "images", "TABLES", "sqlite_x", "platebench", "é" * 90]
)
def test_name_that_a_format_cannot_keep_is_refused(name):
    with pytest.raises(UserError) as raised:
        check_names([name])
    assert "\n" not in str(raised.value)


def test_names_that_differ_in_case_only_are_refused():
    with pytest.raises(UserError, match="case"):
        check_names(["a", "A"])


def test_two_files_that_would_be_one_table_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"a-b\.csv: would be table 'a-b\.csv', as a/b\.csv is"):
        named("a/b.csv", "a-b.csv")
