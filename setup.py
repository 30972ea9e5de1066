"""Ship the benchmarks in the wheel. Everything else of the package is declared in pyproject.toml.

asv expects asv.conf.json and benchmarks/ at the top of a checkout. The wheel has copies of both in
`platebench/_suite`, in the same places to one another. A checkout has no such folder: an editable
install measures the checkout's own benchmarks.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SUITE = "_suite"


class BuildWithBenchmarks(build_py):
    """Copies asv.conf.json and benchmarks/ into the package that is built."""

    def run(self) -> None:
        """Build the package, and add the benchmarks to it."""
        super().run()
        if self.editable_mode:
            return
        suite = Path(self.build_lib) / "platebench" / SUITE
        shutil.rmtree(suite, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree("benchmarks", suite / "benchmarks", ignore=ignored)
        shutil.copy("asv.conf.json", suite)


setup(cmdclass={"build_py": BuildWithBenchmarks})
