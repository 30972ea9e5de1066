"""The 2024 talk's reads, a search among cells, and joins of their tables.

Their parameter is a call or an engine, not a store. `asv run -b talk` measures them.
`platebench run` measures stores and leaves them out.
"""

from platebench.errors import Mismatch
from platebench.optional import missing
from platebench.talk.outcome import LIBRARIES

# One failed import ends asv's discovery of all benchmarks. Without the talk's libraries this
# module has no classes.
if not missing(*LIBRARIES):
    from platebench.talk.constants import READS
    from platebench.talk.dataset import plate_of
    from platebench.talk.embeddings import embed
    from platebench.talk.joins import JOINS
    from platebench.talk.lancedb_table import frames_differ
    from platebench.talk.measured import TalkCell
    from platebench.talk.package import (
        comparable,
        package_of,
        pixels_are_those_of_the_files,
        rarest,
    )
    from platebench.talk.search import NEAREST, SEARCHES, recall, split
    from platebench.talk.three_reads import check_reads, three_reads, write_talk_files

    from .common import WORKSPACE

    class ThreeReads(TalkCell):
        """Read the two images as the talk did. Files are in the page cache."""

        version = "1"
        workspace = WORKSPACE
        param_names = ("read",)
        params = (list(READS),)

        def prepare_cell(self, dataset, folder, read):
            self.read = three_reads(*write_talk_files(dataset, folder))[read]
            if not check_reads({read: self.read}, dataset)[read]:
                raise Mismatch(f"{read} gave other images than were put in")

        def time_read(self, read):
            self.read()

    class NearestCells(TalkCell):
        """Find the ten nearest of 1,324 cells. Each sample asks for another cell's."""

        version = "1"
        workspace = WORKSPACE
        param_names = ("engine",)
        params = (list(SEARCHES),)

        def prepare_cell(self, dataset, folder, engine):
            embeddings, self.asked = split(embed(plate_of(dataset, folder).cells))
            self.engine = SEARCHES[engine](embeddings, folder)
            self.next = 0
            query = self.asked.vectors[0]
            share = recall(embeddings, query, self.engine.nearest(query, NEAREST), NEAREST)
            if self.engine.exact and share < 1:
                raise Mismatch(f"{engine} found {share:.0%} of the nearest cells")

        def time_search(self, engine):
            query = self.asked.vectors[self.next % len(self.asked.vectors)]
            self.next += 1
            self.engine.nearest(query, NEAREST)

    class JoinTables(TalkCell):
        """Join images, objects and features of a plate. The result is compared with pandas'."""

        version = "2"
        workspace = WORKSPACE
        param_names = ("engine",)
        params = (list(JOINS),)

        def prepare_cell(self, dataset, folder, engine):
            package = package_of(plate_of(dataset, folder))
            self.joined = JOINS[engine](package, folder / "package")
            expected = JOINS["pandas"](package, folder / "pandas").join()
            difference = frames_differ(comparable(self.joined.join()), comparable(expected))
            if difference is not None:
                raise Mismatch(f"{engine} joins otherwise than pandas: {difference}")

        def time_join(self, engine):
            self.joined.join()

    class JoinPixels(TalkCell):
        """Join a few cells with their features and the pixels of their images."""

        version = "1"
        workspace = WORKSPACE
        param_names = ("engine",)
        params = (list(JOINS),)

        def prepare_cell(self, dataset, folder, engine):
            plate = plate_of(dataset, folder)
            package, self.phenotype = package_of(plate), rarest(plate.cells)
            self.joined = JOINS[engine](package, folder / "package")
            found = self.joined.with_pixels(self.phenotype)
            expected = JOINS["pandas"](package, folder / "pandas").with_pixels(self.phenotype)
            difference = frames_differ(comparable(found), comparable(expected))
            if difference is not None:
                raise Mismatch(f"{engine} joins otherwise than pandas: {difference}")
            if not pixels_are_those_of_the_files(found, plate):
                raise Mismatch(f"{engine} gave other pixels than the image files")

        def time_join(self, engine):
            self.joined.with_pixels(self.phenotype)
