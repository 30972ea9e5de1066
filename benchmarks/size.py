"""Stored bytes and peak memory, for asv on its own. `platebench run` records both with every time.

The set-up of the timed cells measures them. asv collects every class that a module of benchmarks/
has by name, so the timed classes are imported with their modules.
"""

from . import full_scan, random_rows, write


class Recorded:
    """Sets up a timed cell, which verifies it, for the figures that its set-up records."""

    version = "2"

    def setup(self, *params):
        self.cell = self.timed()
        self.cell.setup(*params)

    def teardown(self, *params):
        self.cell.teardown(*params)


class Size(Recorded):
    """Bytes and files on disk."""

    timed = full_scan.FullScan
    param_names, params, timeout = timed.param_names, timed.params, timed.timeout

    def track_bytes(self, store, images):
        return self.cell.recorded("stored_bytes")

    def track_files(self, store, images):
        return self.cell.recorded("stored_files")

    track_bytes.unit = "bytes"
    track_files.unit = "files"


class PeakMemoryOfWrite(Recorded):
    """Memory that writing all images adds to the process at its peak."""

    timed = write.Write
    param_names, params, timeout = timed.param_names, timed.params, timed.timeout
    unit = "bytes"

    def track_peak(self, store, images):
        return self.cell.recorded("peak_bytes")


class PeakMemoryOfScan(Recorded):
    """Memory that reading every image in row order adds to the process at its peak."""

    timed = full_scan.FullScan
    param_names, params, timeout = timed.param_names, timed.params, timed.timeout
    unit = "bytes"

    def track_peak(self, store, images):
        return self.cell.recorded("peak_bytes")


class PeakMemoryOfTake(Recorded):
    """Memory that reading the images of some rows adds to the process at its peak."""

    timed = random_rows.RandomRows
    param_names, params, timeout = timed.param_names, timed.params, timed.timeout
    unit = "bytes"

    def track_peak(self, store, images, rows, handle):
        return self.cell.recorded("peak_bytes")
