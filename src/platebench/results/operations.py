"""The operations, each declared once, keyed by the benchmark class that times it.

Names, caches, details, the cells of a brief run and the questions of the page all come from
here. `tests/results/test_operations.py` compares the declarations with the benchmark classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, format_of

Details = tuple[str, ...]
"""Parameters of a benchmark class beyond the store and the image set."""


@dataclass(frozen=True)
class Asked:
    """The question that the page and the README answer with an operation.

    `place` is its position on the page. `words` is the question as a heading, `finding` the start
    of the sentence that answers it, `timed` what one sample does, `title` the heading of charts.
    `details` are those of the cells that answer it.
    """

    place: int
    words: str
    finding: str
    timed: str
    title: str
    details: Details = ()


@dataclass(frozen=True)
class Operation:
    """What one benchmark class measures.

    `details` lists all combinations of the class's further parameters; `in_brief` those that a
    brief run measures, `if_named` those that it measures if the user names the operation and there
    is nothing in `in_brief`, None for all. `on_objects`: it is measured on
    stored files with a generated table of objects. `on_versions`: it needs versions, the format's
    own or platebench's part list. `list_only`: with the part list it does not depend on the format.
    Then it is measured once, on the floor, and on formats with versions of their own.
    `from_memory`: it reads from the page cache, and there is no cold variant. `by_workers`: worker
    processes do it, and the first detail has their numbers. `in_full` lists the details that
    a run of everything measures, None for all; others are measured if the user types them.
    """

    name: str
    cache: str
    says: str
    details: tuple[Details, ...] = ((),)
    in_brief: tuple[Details, ...] = ((),)
    if_named: tuple[Details, ...] | None = None
    on_objects: bool = False
    on_versions: bool = False
    list_only: bool = False
    from_memory: bool = False
    by_workers: bool = False
    in_full: tuple[Details, ...] | None = None
    asked: Asked | None = None

    def processes(self, details: Details) -> int:
        """Return how many processes measure one cell: its own, and its workers."""
        numbers = [int(word) for word in details[0].split() if word.isdigit()] if details else []
        return 1 + (sum(numbers) if self.by_workers else 0)

    @property
    def heading(self) -> str:
        """The operation in two or three words, as a column's heading."""
        return _HEADINGS.get(self.name, self.name)


_HEADINGS = {
    "write": "Write",
    "scan": "Read all",
    "take": "Single images",
    "crop": "Crops",
    "epoch": "Training epoch",
    "readers": "Several readers",
    "readers-and-writer": "Readers, a writer",
    "first-image": "First image",
    "open": "Open",
    "open-plate": "A well's site",
    "table": "Image list",
    "column": "Columns",
    "filter": "Find rows",
    "images-where": "Images where",
    "join": "Join",
    "append-rows": "Append rows",
    "append": "Add a version",
    "grow": "20 versions",
    "list-versions": "List versions",
    "open-version": "Old version",
    "restore": "Restore",
    "prune": "Prune",
    "update": "Update",
    "convert": "Convert",
    "writers": "Several writers",
}
_HANDLES = ("reopened", "kept")
_ROWS = ("1", "16 scattered", "16 in a run")
_WORKERS = (("1 worker",), ("2 workers",))
_READERS = tuple((f"{number} process{'es' if number > 1 else ''}",) for number in (1, 2, 4, 8, 16))
_FEW, _MANY = ("10,000 objects",), ("1,000,000 objects",)
_OBJECTS = (_FEW, _MANY)

OPERATIONS = {
    "Write": Operation(
        "write",
        "warm",
        "write all images and their table, to the end of fsync",
        asked=Asked(
            5,
            words="write",
            finding="Fastest to write",
            timed="all images and their table, to the end of fsync",
            title="Writing",
        ),
    ),
    "FullScan": Operation(
        "scan",
        "warm",
        "open the store and read every image in order",
        asked=Asked(
            3,
            words="read everything",
            finding="Fastest to read everything",
            timed="every image in order, from the page cache",
            title="Every image in order",
        ),
    ),
    "ColdFullScan": Operation(
        "scan",
        "cold",
        "open the store and read every image in order, from the disk",
        asked=Asked(
            4,
            words="read everything, from the disk",
            finding="Fastest to read everything from the disk",
            timed="every image in order, nothing in the page cache",
            title="Every image in order, from the disk",
        ),
    ),
    "RandomRows": Operation(
        "take",
        "warm",
        "read single images by row",
        details=tuple((rows, handle) for rows in _ROWS for handle in _HANDLES),
        in_brief=(("16 scattered", "reopened"),),
        asked=Asked(
            1,
            words="read single images at random",
            finding="Fastest for random reads",
            timed="16 scattered images from a newly opened store, from the page cache",
            title="16 scattered images",
            details=("16 scattered", "reopened"),
        ),
    ),
    "ColdRandomRows": Operation(
        "take",
        "cold",
        "read single images by row, from the disk",
        details=tuple((rows,) for rows in _ROWS),
        in_brief=(("16 scattered",),),
        asked=Asked(
            2,
            words="read single images at random, from the disk",
            finding="Fastest for random reads from the disk",
            timed="16 scattered images from a newly opened store, nothing in the page cache",
            title="16 scattered images, from the disk",
            details=("16 scattered",),
        ),
    ),
    "Crop": Operation(
        "crop", "warm", "read 224 x 224 pixels of each of 16 random images", in_brief=()
    ),
    "ColdCrop": Operation(
        "crop",
        "cold",
        "read 224 x 224 pixels of each of 16 random images, from the disk",
        in_brief=(),
    ),
    "Epoch": Operation(
        "epoch",
        "warm",
        "receive every image once, shuffled, in batches of 32, from workers",
        details=_WORKERS,
        in_brief=(),
        by_workers=True,
    ),
    "ColdEpoch": Operation(
        "epoch",
        "cold",
        "receive every image once, shuffled, in batches of 32, from workers, from the disk",
        details=_WORKERS,
        in_brief=(),
        by_workers=True,
    ),
    "Readers": Operation(
        "readers",
        "warm",
        "take 64 random rows in each of some processes at the same time",
        details=_READERS,
        in_brief=(),
        if_named=_READERS[:2],
        by_workers=True,
        in_full=_READERS[:3],
        from_memory=True,
    ),
    "ReadersAndWriter": Operation(
        "readers-and-writer",
        "warm",
        "take 64 random rows in each of two processes while another appends images",
        details=(("2 readers and 1 writer",),),
        in_brief=(),
        if_named=None,
        on_versions=True,
        by_workers=True,
        from_memory=True,
    ),
    "FirstImage": Operation(
        "first-image",
        "warm",
        "start Python, import the library, open the store, read one image",
        in_brief=(),
        from_memory=True,
    ),
    "Open": Operation(
        "open", "warm", "open the store and ask for its number of images", in_brief=()
    ),
    "ColdOpen": Operation(
        "open",
        "cold",
        "open the store and ask for its number of images, from the disk",
        in_brief=(),
    ),
    "OpenPlate": Operation(
        "open-plate",
        "warm",
        "open the store, find a well's first site in the table, read its images",
        in_brief=(),
    ),
    "ColdOpenPlate": Operation(
        "open-plate",
        "cold",
        "open the store, find a well's first site in the table, read its images, from the disk",
        in_brief=(),
    ),
    "ReadTable": Operation("table", "warm", "read the columns without pixels", in_brief=()),
    "ColdReadTable": Operation(
        "table", "cold", "read the columns without pixels, from the disk", in_brief=()
    ),
    "ReadColumns": Operation(
        "column",
        "warm",
        "open the store and read two columns of the table of objects",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
        asked=Asked(
            8,
            words="read columns of a table",
            finding="Fastest to read columns of a table",
            timed="two columns of 10,000 objects, from the page cache",
            title="Two columns of a table",
            details=_FEW,
        ),
    ),
    "ColdReadColumns": Operation(
        "column",
        "cold",
        "open the store and read two columns of the table of objects, from the disk",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
    ),
    "FilterRows": Operation(
        "filter",
        "warm",
        "open the store and read five columns of the large mitotic objects",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
        asked=Asked(
            9,
            words="find rows of a table",
            finding="Fastest to find rows of a table",
            timed="five columns of the large mitotic ones of 10,000 objects, from the page cache",
            title="Rows of a table",
            details=_FEW,
        ),
    ),
    "ColdFilterRows": Operation(
        "filter",
        "cold",
        "open the store and read five columns of the large mitotic objects, from the disk",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
    ),
    "ImagesWhere": Operation(
        "images-where",
        "warm",
        "open the store and read the images that hold large mitotic objects",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
    ),
    "ColdImagesWhere": Operation(
        "images-where",
        "cold",
        "open the store and read the images that hold large mitotic objects, from the disk",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
        asked=Asked(
            10,
            words="read the images of chosen cells, from the disk",
            finding="Fastest to read the images of chosen cells from the disk",
            timed="the images of large mitotic cells (of 10,000), nothing in the page cache",
            title="Images of chosen cells, from the disk",
            details=_FEW,
        ),
    ),
    "Join": Operation(
        "join",
        "warm",
        "open the store and read every image with the features of its objects",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
    ),
    "ColdJoin": Operation(
        "join",
        "cold",
        "open the store and read every image with the features of its objects, from the disk",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
        asked=Asked(
            11,
            words="read images with their features, from the disk",
            finding="Fastest to read images with their features from the disk",
            timed="every image with the features of its objects, nothing in the page cache",
            title="Images with their features, from the disk",
            details=_FEW,
        ),
    ),
    "AppendRows": Operation(
        "append-rows",
        "warm",
        "append 1,000 rows to the table of objects, to the end of fsync",
        details=_OBJECTS,
        on_objects=True,
        in_brief=(),
        if_named=(_FEW,),
        asked=Asked(
            12,
            words="append rows to a table",
            finding="Fastest to append rows to a table",
            timed="1,000 rows to 10,000, to the end of fsync",
            title="Appending rows to a table",
            details=_FEW,
        ),
    ),
    "Append": Operation(
        "append",
        "warm",
        "add a tenth more images as a new version",
        in_brief=(),
        on_versions=True,
        asked=Asked(
            6,
            words="add a version",
            finding="Fastest to add a version",
            timed="a tenth more images, to the end of fsync",
            title="Adding a version",
        ),
    ),
    "Grow": Operation(
        "grow", "warm", "add a tenth more images, twenty times", in_brief=(), on_versions=True
    ),
    "ListVersions": Operation(
        "list-versions",
        "warm",
        "list the versions",
        in_brief=(),
        on_versions=True,
        list_only=True,
    ),
    "OpenVersion": Operation(
        "open-version",
        "warm",
        "open the first version and read every image",
        on_versions=True,
        from_memory=True,
        asked=Asked(
            7,
            words="open an old version",
            finding="Fastest to open an old version",
            timed="every image of the first version, from the page cache",
            title="Opening an old version",
        ),
    ),
    "Restore": Operation(
        "restore",
        "warm",
        "make the first version the newest again",
        in_brief=(),
        on_versions=True,
        list_only=True,
    ),
    "Prune": Operation(
        "prune",
        "warm",
        "remove all versions but the newest, and free their bytes",
        in_brief=(),
        on_versions=True,
        list_only=True,
    ),
    "Update": Operation(
        "update",
        "warm",
        "replace or delete 1% of the images, to the end of fsync",
        details=(("replace 1%",), ("delete 1%",)),
        in_brief=(),
    ),
    "Convert": Operation(
        "convert",
        "warm",
        "read a folder of TIFF files and write the store, to the end of fsync",
        in_brief=(),
    ),
    "Writers": Operation(
        "writers",
        "warm",
        "write all images with several processes at once, to the end of fsync",
        details=(("1",), ("2",), ("4",)),
        in_brief=(),
        if_named=(("1",), ("2",)),
    ),
}
"""The operation of each benchmark class, in the order in which results are published."""


def in_brief_run(cell: CellName, named: Sequence[str] = ()) -> bool:
    """Return True if a brief run, which is the default, measures this cell.

    It also measures an operation that the user named and that it otherwise leaves out.
    """
    operation = OPERATIONS.get(cell.kind)
    return operation is None or _is_in_brief(operation, cell.details, named)


def _is_in_brief(operation: Operation, details: Details, named: Sequence[str]) -> bool:
    if operation.in_brief or operation.name not in named:
        return details in operation.in_brief
    return operation.if_named is None or details in operation.if_named


def in_full_run(cell: CellName) -> bool:
    """Return True if a run of everything measures this cell."""
    operation = OPERATIONS.get(cell.kind)
    return operation is None or details_in_full(operation, cell.details)


def details_in_full(operation: Operation, details: Details) -> bool:
    """Return True if a run of everything measures these details of an operation."""
    return operation.in_full is None or details in operation.in_full


def pattern_text(benchmark_class: str, details: Sequence[str]) -> str:
    """Return the text that a plan's pattern, such as `RandomRows 1 *`, is matched against."""
    return " ".join([benchmark_class, *details])


def same_on(cell: CellName, store: StoreName) -> CellName:
    """Return the cell of the same operation and image set on another store."""
    return replace(cell, store=store)


def floor_of(cell: CellName) -> CellName:
    """Return the cell of the same operation on the floor."""
    return same_on(cell, FLOOR)


def operation_names() -> list[str]:
    """Return the names of the operations."""
    return list(dict.fromkeys(operation.name for operation in OPERATIONS.values()))


def brief_operations() -> list[str]:
    """Return the names of the operations that a brief run measures at all."""
    return list(dict.fromkeys(each.name for each in OPERATIONS.values() if each.in_brief))


def operation_named(name: str) -> Operation:
    """Return the operation of this name, the warm one of two. Raises KeyError for another."""
    for operation in OPERATIONS.values():
        if operation.name == name:
            return operation
    raise KeyError(name)


def says_of(name: str, cache: str) -> str:
    """Return what an operation does, warm or cold. Raises KeyError for an unknown one."""
    for operation in OPERATIONS.values():
        if (operation.name, operation.cache) == (name, cache):
            return operation.says
    raise KeyError(f"{name}, {cache}")


def has_native_versions(store: StoreName) -> bool:
    """Return True if the store's format keeps versions itself; False for an unregistered one."""
    return store in registry.names() and format_of(store).native_versions


def measured_once(operation: str, store: StoreName) -> bool:
    """Return True if an operation on a store is only that of platebench's part list.

    It is then measured on the floor and not on this store. False for a store that is not
    registered: nothing is known of its format.
    """
    if not operation_named(operation).list_only or store not in registry.names():
        return False
    return store != FLOOR and not format_of(store).native_versions


def check_operations(operations: Sequence[str]) -> None:
    """Raise UserError for a name that is not an operation."""
    for name in operations:
        if name not in operation_names():
            raise UserError(f"{name}: no such operation; there are {', '.join(operation_names())}")


def has_both_caches(name: str) -> bool:
    """Return True if an operation is measured warm and cold."""
    return len({each.cache for each in OPERATIONS.values() if each.name == name}) > 1


def typed_text(name: str, cache: str, details: Sequence[str]) -> str:
    """Return what a user types to measure the cells of one table: `cold take 16 scattered`.

    Without the cache if there is only one, and without commas, which separate several texts.
    """
    words = [*([cache] if has_both_caches(name) else []), name, *details]
    return " ".join(words).replace(",", "")


def patterns_of(texts: Sequence[str], brief: bool) -> tuple[str, ...]:
    """Return patterns of classes and details for what a user typed; none for plain names only.

    A plain name, such as `take`, means all its details, in a brief run those of a brief run. Raises
    UserError for what is neither an operation nor a text that `typed_text` returns.
    """
    if all(text in operation_names() for text in texts):
        return ()
    found: dict[str, None] = {}
    for text in texts:
        plain = text in operation_names()
        mine = {
            pattern_text(name, details): _is_in_brief(operation, details, texts)
            for name, operation in OPERATIONS.items()
            for details in operation.details
            if text == (operation.name if plain else typed_text(*_table(operation), details))
        }
        if not mine:
            raise UserError(
                f"{text}: no such operation; there are {', '.join(operation_names())}, or one of"
                " them with its cache and details, such as 'cold take 16 scattered'"
            )
        found |= {
            name: None for name, in_brief in mine.items() if in_brief or not (plain and brief)
        }
    return tuple(found)


def _table(operation: Operation) -> tuple[str, str]:
    return operation.name, operation.cache


def choose(
    cells: Sequence[CellName], stores: Sequence[StoreName], operations: Sequence[str]
) -> list[CellName]:
    """Return the cells of these stores and operations; of all operations if none are named.

    Operations of the part list alone are left out for all stores but the floor. So are benchmarks
    that do not measure a store.
    """
    wanted = frozenset(stores)
    return [
        cell
        for cell in cells
        if cell.kind in OPERATIONS
        and cell.store in wanted
        and (not operations or OPERATIONS[cell.kind].name in operations)
        and not measured_once(OPERATIONS[cell.kind].name, cell.store)
    ]
