"""Where images lie in OME-Zarr plates, and what ngff-zarr and zarr-python then find there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platebench.errors import Unsupported
from platebench.images.imageset import digest
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.ome_plates import Plate, paths_of, plates_of
from tests.conftest import ArrayImages, noise


def images_of(records: list[dict[str, object]], shape: tuple[int, ...] = (4, 5)) -> ArrayImages:
    """Return one image per record, with the record's columns in its table."""
    made = noise(len(records), shape)
    table = made.table
    for name in ("plate", "well", "site", "frame", "channel", "z"):
        field = table.schema.field(name)
        values = [record.get(name) for record in records]
        column = pa.array(values, field.type)
        table = table.set_column(table.schema.get_field_index(name), field, column)
    made.table = table
    return made


def wells(plate: Plate) -> list[str]:
    return [well.path for well in plate.wells]


def test_wells_named_after_rows_and_columns_lie_there() -> None:
    images = images_of([{"plate": "P1", "well": name} for name in ("B03", "A1", "P-24")])
    (plate,) = plates_of(images)
    assert (plate.name, plate.group) == ("P1", "P1.ome.zarr")
    assert wells(plate) == ["B/3", "A/1", "P/24"]
    assert (plate.rows, plate.columns) == (["A", "B", "P"], ["1", "3", "24"])


@pytest.mark.parametrize("names", [["00015", "00016"], ["B03", "B3"], [None, "A01"]])
def test_other_wells_are_laid_out_in_order(names: list[str | None]) -> None:
    (plate,) = plates_of(images_of([{"well": name} for name in names]))
    assert wells(plate) == ["A/1", "A/2"]


def test_plates_whose_names_do_not_suit_a_folder_are_numbered() -> None:
    plates = plates_of(images_of([{"plate": name} for name in ("..", "a/b", None, "fine")]))
    groups = [plate.group for plate in plates]
    assert groups == [f"plate-{number}.ome.zarr" for number in range(3)] + ["fine.ome.zarr"]


def test_frames_channels_and_depths_that_make_a_grid_are_axes() -> None:
    records = [
        {"site": "1", "frame": frame, "channel": channel, "z": z}
        for z in (5, 3)
        for channel in ("DAPI", "GFP")
        for frame in (7, 2)
    ]
    plates = plates_of(images_of(records))
    (field,) = plates[0].wells[0].fields
    assert (field.grid, field.channels) == ((2, 2, 2), ["DAPI", "GFP"])
    assert [place for _, place in paths_of(plates)][:3] == [(1, 0, 1), (0, 0, 1), (1, 1, 1)]


def test_images_that_make_no_grid_follow_each_other_in_time() -> None:
    plates = plates_of(images_of([{"frame": 1}, {"frame": 1}, {"frame": 0, "channel": "GFP"}]))
    assert plates[0].wells[0].fields[0].grid == (3, 1, 1)
    assert [place for _, place in paths_of(plates)] == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]


def test_sites_and_shapes_have_fields_of_their_own() -> None:
    images = ArrayImages([np.zeros(shape, np.uint8) for shape in ((4, 5), (4, 6), (4, 5))])
    (plate,) = plates_of(images_of([{"site": "1"}, {"site": "2"}, {"site": "1"}]))
    assert [len(field.rows) for field in plate.wells[0].fields] == [2, 1]
    kinds = [
        field.shape for plate in plates_of(images) for well in plate.wells for field in well.fields
    ]
    assert sorted(kinds) == [(4, 5), (4, 5), (4, 6)]


def test_images_of_four_axes_are_refused() -> None:
    with pytest.raises(Unsupported, match="OME-Zarr holds no image of shape"):
        plates_of(ArrayImages([np.zeros((2, 2, 4, 5), np.uint8)]))


@pytest.mark.parametrize("tuning", ["balanced", "bitshuffle-lz4-pyramid"])
def test_ngff_zarr_reads_the_plate_and_its_smaller_copies(tuning: str, tmp_path: Path) -> None:
    ngff_zarr = pytest.importorskip("ngff_zarr")
    records = [{"plate": "P1", "well": "B03", "channel": name} for name in ("DAPI", "GFP")]
    images = images_of(records, (300, 280))
    store = registry.find_candidate(StoreName("ome-zarr", "tensor", tuning))
    store.write(images, tmp_path / "plates")
    plate = ngff_zarr.from_hcs_zarr(str(tmp_path / "plates" / "P1.ome.zarr"), validate=True)
    found = plate.get_well("B", "3").get_image(0).images
    assert found[0].data.shape == (1, 2, 1, 300, 280)
    assert [digest(found[0].data[0, c, 0].compute()) for c in range(2)] == images.digests()
    copies = [image.data.shape[-2:] for image in found[1:]]
    assert copies == ([(150, 140)] if tuning.endswith("pyramid") else [])
