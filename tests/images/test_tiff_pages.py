"""Each plane of a TIFF file is read as one image, or the file is refused by name."""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import PIL
import pytest
import skimage
import tifffile

from platebench.errors import UserError
from platebench.images import tiff
from platebench.images.folder import FolderImages, open_images
from platebench.images.tiff_pages import contents_of

Write = Callable[[Path], None]


def counting(*shape: int, dtype: str = "<u2") -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int64).astype(dtype).reshape(shape)


def planes_of_pages(path: Path) -> list[np.ndarray]:
    """Read every plane of the chain of pages through tifffile, page by page."""
    planes: list[np.ndarray] = []
    with tifffile.TiffFile(path, is_ome=False, _multifile=False) as file:
        for page in file.pages:
            array = page.asarray()
            if "Z" in page.axes:
                planes += list(np.moveaxis(array, page.axes.index("Z"), 0))
            else:
                planes.append(array)
    return planes


def assert_equals_tifffile(path: Path) -> FolderImages:
    """Open a file, and compare every plane and the result of `file`."""
    images = open_images(path)
    planes = planes_of_pages(path)
    assert len(images) == len(planes)
    for row, plane in enumerate(planes):
        found = images.pixels(row)
        assert found.dtype.isnative
        assert (
            found.reshape(plane.shape).tobytes()
            == np.ascontiguousarray(plane, plane.dtype.newbyteorder("=")).tobytes()
        )
    assert_files(images)
    return images


def assert_files(images: FolderImages) -> None:
    for row in range(len(images)):
        content = bytes(images.file(row))
        assert len(content) == images.table["filesize_bytes"][row].as_py()
        again = tifffile.imread(io.BytesIO(content))
        assert np.array_equal(again, images.pixels(row))
        assert again.shape == images.shapes[row]


DTYPES = ["u1", "<u2", ">u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", ">f8"]
OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "big": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "no metadata": {"metadata": None},
    "zlib": {"compression": "zlib"},
    "zstd": {"compression": "zstd"},
    "lzw, predicted": {"compression": "lzw", "predictor": True},
    "packbits": {"compression": "packbits"},
    "strips": {"rowsperstrip": 3},
    "zlib strips": {"rowsperstrip": 3, "compression": "zlib"},
    "tiles": {"tile": (16, 16)},
    "zlib tiles": {"tile": (16, 16), "compression": "zlib"},
    "ome": {"ome": True},
}
CANNOT_BE_WRITTEN = {("f2", "ome"), *product(("i8", "u8"), ("ome", "lzw, predicted"))}
CANNOT_BE_WRITTEN |= {("f2", "lzw, predicted")}
SHAPES = [(21, 33), (5, 21, 33), (2, 3, 21, 33), (1, 21, 33)]


@pytest.mark.parametrize(
    ("dtype", "option", "shape"),
    [
        (dtype, option, shape)
        for dtype, option, shape in product(DTYPES, OPTIONS, SHAPES)
        if (dtype[1:], option) not in CANNOT_BE_WRITTEN
    ],
)
def test_every_page_is_an_image(tmp_path, dtype, option, shape):
    path = tmp_path / "made.tif"
    array = counting(*shape, dtype=dtype)
    tifffile.imwrite(path, array, photometric="minisblack", **OPTIONS[option])
    images = assert_equals_tifffile(path)
    assert (
        b"".join(image.tobytes() for image in images)
        == array.astype(array.dtype.newbyteorder("=")).tobytes()
    )
    if len(images) == 1:
        assert images.table["path"].to_pylist() == ["made.tif"]
        assert bytes(images.file(0)) == path.read_bytes()
    else:
        assert images.table["path"].to_pylist() == [f"made.tif/{n}" for n in range(len(images))]


def one_by_one(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in counting(5, 21, 33):
            file.write(plane, photometric="minisblack", contiguous=False)


def appended(path: Path) -> None:
    for plane in counting(5, 21, 33):
        tifffile.imwrite(path, plane, append=True, photometric="minisblack")


def appended_in_other_shapes(path: Path) -> None:
    for side in (40, 20, 10, 33):
        tifffile.imwrite(path, counting(side, side) + side, append=True, photometric="minisblack")


def appended_in_other_types(path: Path) -> None:
    for dtype in ("u1", "<u2", "<f4"):
        tifffile.imwrite(
            path, counting(5, 6, dtype=dtype), append=True, photometric="minisblack", metadata=None
        )


def positions(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as file:
        for number in range(3):
            file.write(counting(2, 21, 33) + number, photometric="minisblack")


def volume(path: Path) -> None:
    tifffile.imwrite(path, counting(4, 16, 32), volumetric=True, photometric="minisblack")


def volume_of_tiles(path: Path) -> None:
    tifffile.imwrite(
        path,
        counting(4, 20, 40),
        volumetric=True,
        tile=(2, 16, 16),
        compression="zlib",
        photometric="minisblack",
    )


def colours(path: Path) -> None:
    tifffile.imwrite(path, counting(3, 21, 33, 3, dtype="u1"), photometric="rgb")


def planar_colours(path: Path) -> None:
    tifffile.imwrite(
        path, counting(2, 3, 21, 33, dtype="u1"), photometric="rgb", planarconfig="separate"
    )


def extra_samples(path: Path) -> None:
    tifffile.imwrite(path, counting(21, 33, 7), photometric="minisblack", planarconfig="contig")


def hyperstack(path: Path) -> None:
    tifffile.imwrite(path, counting(2, 3, 2, 21, 33), imagej=True, metadata={"axes": "TZCYX"})


def jpeg(path: Path) -> None:
    tifffile.imwrite(
        path, counting(4, 64, 64, dtype="u1"), compression="jpeg", photometric="minisblack"
    )


SEVERAL: list[tuple[Write, int]] = [
    (one_by_one, 5),
    (appended, 5),
    (appended_in_other_shapes, 4),
    (appended_in_other_types, 3),
    (positions, 6),
    (volume, 4),
    (volume_of_tiles, 4),
    (colours, 3),
    (planar_colours, 2),
    (extra_samples, 1),
    (hyperstack, 12),
    (jpeg, 4),
]


@pytest.mark.parametrize(("make", "images"), SEVERAL)
def test_files_of_several_series_are_read_completely(tmp_path, make, images):
    path = tmp_path / "made.tif"
    make(path)
    assert len(assert_equals_tifffile(path)) == images


def test_colours_keep_their_axis(tmp_path):
    colours(tmp_path / "a.tif")
    planar_colours(tmp_path / "b.tif")
    assert open_images(tmp_path).shapes == [(21, 33, 3)] * 3 + [(3, 21, 33)] * 2


@pytest.mark.parametrize("options", [{"imagej": True}, {}])
def test_planes_of_a_stack_with_one_page_are_images(tmp_path, options):
    path, array = tmp_path / "stack.tif", counting(5, 21, 33)
    tifffile.imwrite(path, array, truncate=True, photometric="minisblack", **options)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    images = open_images(path)
    assert np.array_equal(np.stack(list(images)), array)
    assert_files(images)


def test_truncated_stack_is_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, counting(5, 21, 33), truncate=True, photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"stack\.tif: truncated"):
        open_images(path)


# Pages that are not images are left out by name


def test_pyramid_levels_are_left_out_by_name(tmp_path):
    path, array = tmp_path / "pyramid.tif", counting(64, 64)
    with tifffile.TiffWriter(path) as file:
        file.write(array, subifds=2, photometric="minisblack")
        file.write(array[::2, ::2], subfiletype=1, photometric="minisblack")
        file.write(array[::4, ::4], subfiletype=1, photometric="minisblack")
    images = open_images(path)
    assert [image.tolist() for image in images] == [array.tolist()]
    assert images.counted.left_out == [
        (f"pyramid.tif/page 0/SubIFD {number}", "pyramid level") for number in (0, 1)
    ]
    assert images.counted.said() == (
        "1 file, 1 image; left out: 2 pyramid levels (pyramid.tif/page 0/SubIFD 0, ...)"
    )
    assert_files(images)


def test_unflagged_levels_below_stacks_are_left_out(tmp_path):
    path, array = tmp_path / "pyramid.ome.tif", counting(5, 64, 64)
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(array, subifds=1, photometric="minisblack")
        file.write(array[:, ::2, ::2], photometric="minisblack")
    images = open_images(path)
    assert np.array_equal(np.stack(list(images)), array)
    assert len(images.counted.left_out) == 5


def test_larger_page_below_a_thumbnail_is_the_image(tmp_path):
    path, array = tmp_path / "dng.tif", counting(64, 64)
    with tifffile.TiffWriter(path) as file:
        file.write(array[::4, ::4], subifds=1, subfiletype=1, photometric="minisblack")
        file.write(array, photometric="minisblack")
    images = open_images(path)
    assert [image.tolist() for image in images] == [array.tolist()]
    assert images.counted.left_out == [("dng.tif/page 0", "thumbnail")]


@pytest.mark.parametrize(("kind", "word"), [(1, "thumbnail"), (4, "mask")])
@pytest.mark.parametrize("first", [True, False])
def test_thumbnails_and_masks_are_left_out(tmp_path, kind, word, first):
    path, array = tmp_path / "a.tif", counting(40, 50)
    small = {"subfiletype": 1, "metadata": None, "photometric": "minisblack"}
    with tifffile.TiffWriter(path) as file:
        if first:
            file.write(array[::5, ::7], **small)
        file.write(array, metadata=None, photometric="minisblack")
        if not first:
            file.write(array[::5, ::7], **small)
    with tifffile.TiffFile(path) as file:
        at = next(page.tags[254].valueoffset for page in file.pages if page.subfiletype == 1)
    content = bytearray(path.read_bytes())
    content[at] = kind
    path.write_bytes(content)
    images = open_images(path)
    assert [image.tolist() for image in images] == [array.tolist()]
    assert images.counted.left_out == [(f"a.tif/page {0 if first else 1}", word)]
    assert bytes(images.file(0)) != path.read_bytes()
    assert_files(images)


def test_thumbnail_alone_in_a_file_is_an_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", counting(40, 50), subfiletype=1)
    assert len(open_images(tmp_path)) == 1


def test_pixels_that_two_pages_share_are_read_once(tmp_path):
    path = tmp_path / "a.tif"
    appended(path)
    with tifffile.TiffFile(path) as file:
        tag, first = file.pages[1].tags[273], file.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", first)
    path.write_bytes(content)
    images = open_images(path)
    assert len(images) == 4
    assert images.counted.left_out == [("a.tif/page 1", "repeated page")]


def test_broken_chain_of_pages_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    appended(path)
    with tifffile.TiffFile(path) as file:
        third = file.pages[2].offset
    content = bytearray(path.read_bytes())
    (tags,) = struct.unpack_from("<H", content, third)
    struct.pack_into("<I", content, third + 2 + 12 * tags, len(content) + 1000)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.tif: damaged; no readable page after page 3"):
        open_images(path)


def lsm(path: Path) -> None:
    """Write each page followed by its thumbnail, and the LSM tag."""
    info = bytearray(512)
    struct.pack_into("<IiiiiiI", info, 0, 0x00400494C, 512, 33, 21, 3, 1, 1)
    struct.pack_into("<i", info, 28, 1)
    array = counting(3, 21, 33)
    with tifffile.TiffWriter(path) as file:
        for number, plane in enumerate(array):
            tags = [(34412, 1, 512, bytes(info), True)] if number == 0 else []
            options = {"metadata": None, "photometric": "minisblack", "contiguous": False}
            file.write(plane, extratags=tags, **options)
            file.write(plane[::3, ::3], subfiletype=1, **options)


def test_thumbnails_between_pages_are_left_out(tmp_path):
    lsm(tmp_path / "a.tif")
    images = open_images(tmp_path)
    assert np.array_equal(np.stack(list(images)), counting(3, 21, 33))
    assert images.counted.left_out == [
        (f"a.tif/page {number}", "thumbnail") for number in (1, 3, 5)
    ]


def stk(path: Path, array: np.ndarray) -> None:
    """Write contiguous planes with one page, and MetaMorph's tags, which tifffile cannot write."""
    planes = len(array)
    uic2 = [number for plane in range(planes) for number in (1, 1, 2453000, plane, 2453000, 0)]
    tags = [(65000, 4, 2, (0, 0), True), (65001, 5, 3 * planes, tuple(uic2), True)]
    tifffile.imwrite(
        path, array, truncate=True, photometric="minisblack", metadata=None, extratags=tags
    )
    content = path.read_bytes()
    content = content.replace(struct.pack("<HHI", 65000, 4, 2), struct.pack("<HHI", 33628, 4, 1))
    content = content.replace(
        struct.pack("<HHI", 65001, 5, 3 * planes), struct.pack("<HHI", 33629, 5, planes)
    )
    path.write_bytes(content)


def test_planes_of_stk_are_images(tmp_path):
    array = counting(3, 21, 33)
    stk(tmp_path / "a.tif", array)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_stk
        assert len(file.pages) == 1
    images = open_images(tmp_path)
    assert np.array_equal(np.stack(list(images)), array)
    assert images.table["z"].to_pylist() == [0, 1, 2]
    assert_files(images)


# Frame, channel and z


def test_axes_give_frame_channel_and_z(tmp_path):
    hyperstack(tmp_path / "a.tif")
    table = open_images(tmp_path).table
    labels = list(
        zip(*(table[name].to_pylist() for name in ("frame", "z", "channel")), strict=True)
    )
    assert labels == [(t, z, str(c)) for t, z, c in product(range(2), range(3), range(2))]


def test_ome_xml_gives_frame_channel_and_z(tmp_path):
    tifffile.imwrite(
        tmp_path / "B7_01_1_3_DAPI_001.tif",
        counting(2, 3, 2, 21, 33),
        ome=True,
        photometric="minisblack",
        metadata={"axes": "TCZYX", "Channel": {"Name": ["DAPI", "GFP", "RFP"]}},
    )
    table = open_images(tmp_path).table
    labels = list(
        zip(*(table[name].to_pylist() for name in ("frame", "channel", "z")), strict=True)
    )
    assert labels == list(product(range(2), ["DAPI", "GFP", "RFP"], range(2)))
    assert set(table["well"].to_pylist()) == {"B7"}


def multi_file(folder: Path, files: int = 3, uuid: bool = True) -> np.ndarray:
    """Write an OME-TIFF in several files, each with the complete OME-XML."""
    array = counting(files, 3, 21, 33)
    data = "".join(
        f'<TiffData FirstT="{t}" FirstZ="{z}" FirstC="0" IFD="{z}" PlaneCount="1">'
        f'<UUID FileName="part{t}.ome.tif">urn:uuid:{t:08d}</UUID></TiffData>'
        for t in range(files)
        for z in range(3)
    )
    for t in range(files):
        own = f'UUID="urn:uuid:{t:08d}"' if uuid else ""
        xml = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'{own}><Image ID="Image:0"><Pixels DimensionOrder="XYZCT" Type="uint16" SizeX="33" '
            f'SizeY="21" SizeZ="3" SizeC="1" SizeT="{files}"><Channel SamplesPerPixel="1"/>'
            f"{data}</Pixels></Image></OME>"
        )
        tifffile.imwrite(
            folder / f"part{t}.ome.tif",
            array[t],
            description=xml,
            metadata=None,
            photometric="minisblack",
        )
    return array


@pytest.mark.parametrize("uuid", [True, False])
def test_file_of_a_multi_file_ome_tiff_gives_its_own_pages(tmp_path, uuid):
    array = multi_file(tmp_path, uuid=uuid)
    assert tifffile.imread(tmp_path / "part1.ome.tif").shape == (3, 3, 21, 33)
    images = open_images(tmp_path)
    assert np.array_equal(np.stack(list(images)).reshape(array.shape), array)
    assert images.table["frame"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert images.table["z"].to_pylist() == [0, 1, 2] * 3
    assert_files(images)


def test_page_of_a_multi_file_ome_tiff_is_not_a_complete_file(tmp_path):
    array = multi_file(tmp_path)
    for number in range(3):
        path = tmp_path / f"part{number}.ome.tif"
        with tifffile.TiffFile(path, _multifile=False) as file:
            text = file.pages[0].description
        tifffile.imwrite(
            path, array[number, 0], description=text, metadata=None, photometric="minisblack"
        )
    images = open_images(tmp_path)
    assert len(images) == 3
    for row in range(3):
        assert not images.origin(row).is_one_image
    assert_files(images)


def test_page_named_twice_in_ome_xml_is_read_once(tmp_path):
    path = tmp_path / "a.ome.tif"
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYCZT" Type="uint16" SizeX="33" SizeY="21" SizeZ="1" SizeC="1" '
        'SizeT="2"><TiffData IFD="0" FirstT="0"/><TiffData IFD="0" FirstT="1"/></Pixels>'
        "</Image></OME>"
    )
    tifffile.imwrite(path, counting(21, 33), description=xml, metadata=None)
    images = open_images(path)
    assert images.table["frame"].to_pylist() == [0]
    assert_files(images)


@pytest.mark.parametrize(
    "hostile",
    [
        ('SizeT="2"', f'SizeT="{2**62}"'),
        ('SizeT="2"', 'SizeT="-1"'),
        ('SizeT="2"', 'SizeT="two"'),
        ('PlaneCount="2"', f'PlaneCount="{10**12}"'),
        ('IFD="0"', f'IFD="{10**12}"'),
        ("<OME ", '<!DOCTYPE x [<!ENTITY a "aaaa">]><OME '),
        ("</OME>", ""),
        ("XYCZT", "XYZZZ"),
    ],
)
def test_invalid_ome_xml_leaves_images_readable(tmp_path, hostile):
    path = tmp_path / "a.ome.tif"
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYCZT" Type="uint16" SizeX="33" SizeY="21" SizeZ="1" SizeC="1" '
        'SizeT="2"><TiffData IFD="0" PlaneCount="2"/></Pixels></Image></OME>'
    )
    tifffile.imwrite(path, counting(2, 21, 33), description=xml.replace(*hostile), metadata=None)
    assert len(open_images(path)) == 2


# Sizes that a header claims are checked


def claiming(path: Path, values: dict[int, int], **options: object) -> Path:
    """Write a small file and overwrite the values of its tags."""
    tifffile.imwrite(path, counting(16, 16, dtype="u1"), metadata=None, **options)
    with tifffile.TiffFile(path) as file:
        tags = {code: file.pages[0].tags[code] for code in values}
    content = bytearray(path.read_bytes())
    for code, value in values.items():
        struct.pack_into(
            "<H" if tags[code].dtype == 3 else "<I", content, tags[code].valueoffset, value
        )
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize(
    "values",
    [
        {256: 2**32 - 1},
        {257: 2**32 - 1},
        {256: 2**32 - 1, 257: 2**32 - 1},
        {256: 200_000, 257: 200_000},
        {256: 0},
        {257: 0},
        {258: 0},
        {259: 12345},
        {277: 65535},
    ],
)
def test_tags_that_claim_impossible_sizes_are_refused(tmp_path, values, options):
    path = claiming(tmp_path / "claims.tif", values, **options)
    with pytest.raises(UserError, match=r"claims\.tif") as raised:
        list(open_images(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("values", [{256: 2_000_000}, {257: 2_000_000}])
def test_missing_strips_and_tiles_are_refused(tmp_path, values, options):
    # Found by fuzzing: tifffile fills such an image with zeros, tile by tile, for 30 s.
    if 257 in values and "tile" not in options:
        options = {**options, "rowsperstrip": 8}
    path = claiming(tmp_path / "claims.tif", values, **options)
    with pytest.raises(UserError, match=r"claims\.tif"):
        list(open_images(path))


def test_sample_axis_of_length_one_is_encoded(tmp_path):
    # Found by fuzzing: tifffile.imwrite does not accept planarconfig for such an axis.
    array = counting(5, 6, 1)
    assert np.array_equal(tifffile.imread(io.BytesIO(tiff.encode(array, "YXS"))), array)
    assert tiff.encoded_size((5, 6, 1), array.dtype, "YXS") == len(tiff.encode(array, "YXS"))


def test_encoded_size_needs_no_memory():
    assert tiff.encoded_size((70_000, 70_000), np.dtype("<f8")) > 70_000**2 * 8


# Sample files of other libraries


def samples() -> list[Path]:
    folders = [Path(PIL.__file__).parent, Path(skimage.__file__).parent]
    return [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".tif", ".tiff"}
    ]


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_installed_sample_files_are_read_completely_or_refused(path, tmp_path):
    shutil.copy(path, tmp_path / path.name)
    try:
        contents_of(path)
    except UserError as error:
        assert path.name in str(error)
    else:
        assert_equals_tifffile(tmp_path / path.name)
