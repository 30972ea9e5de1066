"""The 2024 talk's reads, a search among its images, and a join of their tables.

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
    from platebench.talk.lancedb_table import frames_differ
    from platebench.talk.measured import TalkCell
    from platebench.talk.package import JOINS, comparable, package_of
    from platebench.talk.search import NEAREST, SEARCHES, queries, recall, searched
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

    class NearestImages(TalkCell):
        """Find the ten nearest of 4,096 images. Each sample asks for another image's."""

        version = "1"
        workspace = WORKSPACE
        param_names = ("engine",)
        params = (list(SEARCHES),)

        def prepare_cell(self, dataset, folder, engine):
            embeddings, self.queries = searched(dataset), queries(dataset)
            self.engine = SEARCHES[engine](embeddings, folder)
            self.asked = 0
            found = self.engine.nearest(self.queries[0], NEAREST)
            share = recall(embeddings, self.queries[0], found, NEAREST)
            if self.engine.exact and share < 1:
                raise Mismatch(f"{engine} found {share:.0%} of the nearest images")

        def time_search(self, engine):
            query = self.queries[self.asked % len(self.queries)]
            self.asked += 1
            self.engine.nearest(query, NEAREST)

    class JoinTables(TalkCell):
        """Join images, objects and features of a plate. The result is compared with pandas'."""

        version = "1"
        workspace = WORKSPACE
        param_names = ("engine",)
        params = (list(JOINS),)

        def prepare_cell(self, dataset, folder, engine):
            package = package_of(dataset.cells)
            self.joined = JOINS[engine](package, folder / "package")
            expected = JOINS["pandas"](package, folder / "pandas").join()
            difference = frames_differ(comparable(self.joined.join()), comparable(expected))
            if difference is not None:
                raise Mismatch(f"{engine} joins otherwise than pandas: {difference}")

        def time_join(self, engine):
            self.joined.join()
