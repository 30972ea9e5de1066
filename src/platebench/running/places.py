"""Where platebench finds its benchmarks, and where it keeps runs and work files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

import platebench
from platebench.errors import UserError
from platebench.results.commit import Commit
from platebench.running.checkout import commit_of, find_checkout

REFERENCE = "results"
"""The tracked folder of a checkout: only `platebench reference keep` adds runs to it."""

SHIPPED = "_suite"
"""The folder of the installed package with asv.conf.json and benchmarks/; a checkout has none."""


@dataclass(frozen=True)
class Home:
    """The benchmarks, and the default folders of work files and results.

    `suite` holds asv.conf.json and benchmarks/.
    """

    suite: Path
    work: Path
    results: Path

    def commit(self) -> Commit:
        """Return what is measured: the commit of a checkout, or the version of the package.

        Raises UserError for a checkout without git history.
        """
        if self.suite.name == SHIPPED:
            return Commit(platebench.__version__, 0, changed=False, is_release=True)
        return commit_of(self.suite)


def home(start: Path | None = None) -> Home:
    """Return the checkout that `start`, by default the current folder, is in.

    Outside of one, the benchmarks are those of the installed package, work files are in the user's
    cache folder, and results in the user's data folder.
    """
    try:
        checkout = find_checkout(start or Path.cwd())
    except UserError:
        return Home(
            _of_package(),
            platformdirs.user_cache_path("platebench", appauthor=False) / "work",
            platformdirs.user_data_path("platebench", appauthor=False) / "results",
        )
    own = checkout / ".platebench"
    return Home(checkout, own / "work", own / "results")


def _of_package() -> Path:
    """Return the folder of the package's benchmarks: shipped in it, or those of its checkout."""
    package = Path(platebench.__file__).parent
    shipped = package / SHIPPED
    return shipped if shipped.is_dir() else find_checkout(package)


def own_results(results: Path | None = None, start: Path | None = None) -> Path:
    """Return the folder that runs are kept in and read from: `results` if it is given."""
    return home(start).results if results is None else results


def kept_advice(start: Path | None = None) -> Path:
    """Return the folder where `platebench advise` keeps its figures for `platebench pack`."""
    return home(start).results.parent / "advice"


def reference_results(checkout: Path) -> Path:
    """Return the folder of the runs that the page and the README speak of."""
    return checkout / REFERENCE


def shown(path: Path) -> str:
    """Return a path as a person in the current folder would type it."""
    here, user = Path.cwd(), Path.home()
    if path.is_relative_to(here):
        return str(path.relative_to(here))
    return f"~/{path.relative_to(user)}" if path.is_relative_to(user) else str(path)
