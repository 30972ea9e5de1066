"""What the stores share that keep an image's TIFF file as a value of their own."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store
from platebench.stores.tiff_codec import CompressedTiffs, TiffCodec
from platebench.stores.values import FILE


class TiffStore(Store):
    """A store that can hold TIFF files, as they are or compressed anew.

    It opens its images by a layout: its own, for pixels, or `values.FILE`, for the files' bytes.
    """

    @property
    @abstractmethod
    def _codec(self) -> TiffCodec | None:
        """What compresses the TIFF files anew, None if they are kept as they are."""

    @abstractmethod
    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open what `write` made, with values of a layout."""

    def open(self, path: Path) -> OpenStore:
        """Open for reading pixels."""
        return self._opened(path, self.layout)

    @property
    def keeps_files(self) -> bool:
        """True for TIFF files that are not compressed anew."""
        return self.layout == "tiff" and self._codec is None

    def open_files(self, path: Path) -> OpenStore:
        """Open as `open` does, for the bytes of the TIFF files."""
        return self._opened(path, FILE) if self.keeps_files else super().open_files(path)

    def _encoded(self, images: ImageSet) -> ImageSet:
        """Return the images as they are stored: with TIFF files compressed anew, if they are."""
        return images if self._codec is None else CompressedTiffs(images, self._codec)
