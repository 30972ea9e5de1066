"""The command `platebench info`."""

from __future__ import annotations

from platebench.commands.packaged import PackageFolder
from platebench.commands.shared import say


def info_command(package: PackageFolder) -> None:
    """Tell what a package is, in at most 20 lines."""
    from platebench.packages.info import info

    for line in info(package):
        say(line)
