"""A program that reads one image of a store and prints its digest: STORE PATH ROW.

It imports only what reading needs, so its start-up time is that of the store.
"""

from __future__ import annotations

import sys
from pathlib import Path

from platebench.images.imageset import digest
from platebench.stores import registry
from platebench.stores.name import StoreName


def main() -> None:
    """Copy the image out and print its digest."""
    store, path, row = sys.argv[1:]
    with registry.find(StoreName.parse(store)).open(Path(path)) as opened:
        for image in opened.take([int(row)]):
            print(digest(image.copy()))


if __name__ == "__main__":
    main()
