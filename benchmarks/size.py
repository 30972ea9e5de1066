"""What a store takes, for plain asv; `platebench run` records the same beside every time."""

from platebench.timing.reading import ScanCell, TakeCell
from platebench.timing.writing import WriteCell

from .common import StoreCell


class Size(StoreCell, ScanCell):
    """Bytes and files on disk, of files that have been read back and compared."""

    version = "1"

    def track_bytes(self, store, images):
        return self.recorded("stored_bytes")

    def track_files(self, store, images):
        return self.recorded("stored_files")

    track_bytes.unit = "bytes"
    track_files.unit = "files"


class PeakMemoryOfWrite(StoreCell, WriteCell):
    """Memory that writing all images adds to the process at its peak."""

    version = "1"
    unit = "bytes"

    def track_peak(self, store, images):
        return self.recorded("peak_bytes")


class PeakMemoryOfScan(StoreCell, ScanCell):
    """Memory that reading every image in order adds to the process at its peak."""

    version = "1"
    unit = "bytes"

    def track_peak(self, store, images):
        return self.recorded("peak_bytes")


class PeakMemoryOfTake(StoreCell, TakeCell):
    """Memory that reading some rows' images adds to the process at its peak."""

    version = "1"
    unit = "bytes"

    def track_peak(self, store, images, rows, handle):
        return self.recorded("peak_bytes")
