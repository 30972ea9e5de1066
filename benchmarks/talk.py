"""The 2024 talk's timings, a search among its images, and a join of their tables.

Their parameter is a call or an engine, not a store: `asv run -b talk` measures them, and
`platebench run`, which measures stores, leaves them out.
"""

from platebench.optional import missing
from platebench.talk.outcome import LIBRARIES

# One import that fails ends asv's discovery of all benchmarks. Without the talk's libraries there
# are none of the talk.
if not missing(*LIBRARIES):
    from platebench.talk.constants import READS
    from platebench.talk.measured import JoinCell, ReadCell, SearchCell
    from platebench.talk.package import JOINS
    from platebench.talk.search import SEARCHES

    from .common import StoreCell

    class ThreeReads(ReadCell):
        """Read the two images as the talk did, from the page cache."""

        version = "1"
        workspace = StoreCell.workspace
        param_names = ("read",)
        params = (list(READS),)

        def time_read(self, read):
            self.operation()

    class NearestImages(SearchCell):
        """Find the ten images nearest to one."""

        version = "1"
        workspace = StoreCell.workspace
        param_names = ("engine",)
        params = (list(SEARCHES),)

        def time_search(self, engine):
            self.operation()

    class JoinTables(JoinCell):
        """Join images, objects and features of a plate."""

        version = "1"
        workspace = StoreCell.workspace
        param_names = ("engine",)
        params = (list(JOINS),)

        def time_join(self, engine):
            self.operation()
