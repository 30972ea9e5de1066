"""Keep the generated table of objects in a file, whose memory all processes share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from platebench.atomic_files import write_whole
from platebench.images.imageset import ImageSet
from platebench.images.objects import VERSION, objects_of


def cached_objects(folder: Path, images: ImageSet, rows: int) -> pa.Table:
    """Return `objects_of` the images as a memory map of a file in `folder`, made if it is missing.

    A file's name has the version of the generator. The caller sees to it that only one process at
    a time makes it. Raises Unsupported as `objects_of` does.
    """
    file = folder / f"objects-{rows}-v{VERSION}.arrow"
    if not file.exists():
        table = objects_of(images, rows)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_whole(file, memoryview(sink.getvalue()))
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()
