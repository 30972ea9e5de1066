"""The draft of a package: a folder beside its destination, which is renamed at the end.

Until the rename there is no package, and after it there is a whole one: everything is on the disk
before. A draft of a killed process can be taken up again, see `parts`.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platebench.atomic_files import sync, write_whole
from platebench.drafts import Lent, sweep
from platebench.errors import UserError
from platebench.folders import make_parents
from platebench.packages.parts import DONE, PACKAGE
from platebench.workers import WorkerDied

TASK = "task.json"


def refuse_existing(destination: Path) -> None:
    """Raise UserError if there is something at `destination`, an empty folder apart.

    Beside a folder that is there, drafts of processes that were killed right after they had renamed
    theirs are removed.
    """
    if destination.is_symlink():
        raise UserError(f"{destination}: is a link; name a new folder")
    if destination.is_dir():
        if any(destination.iterdir()):
            sweep(destination.parent, destination.name)
            raise UserError(f"{destination}: exists and is not empty; name a new folder")
    elif destination.exists():
        raise UserError(f"{destination}: is a file; name a new folder")


@contextmanager
def drafted(destination: Path, task: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """Yield the folder of a draft, whose folder `package` becomes `destination` at the end.

    With `resume` it is the draft that a stopped process left for the same destination and `task`,
    which are compared as JSON. Without, such drafts are removed. On an error the draft is removed;
    it is kept after Ctrl-C, and if a worker has died, so that it can be taken up.
    """
    refuse_existing(destination)
    parent, name = destination.parent, destination.name
    make_parents(parent)
    lent = Lent.resumed(parent, name, lambda path: _is_of(path, task)) if resume else None
    sweep(parent, name)
    if lent is None:
        lent = Lent.below(parent, name)
    try:
        write_whole(lent.path / TASK, json.dumps(task))
        (lent.path / PACKAGE).mkdir(exist_ok=True)
        yield lent.path
        publish(lent.path / PACKAGE, destination)
    except KeyboardInterrupt:
        if not _has_parts(lent.path):
            raise
        lent.leave()
        raise Interrupted from None
    except WorkerDied:
        lent.leave()
        raise
    finally:
        lent.close()


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. The draft is kept, and `resume` takes it up."""


def _has_parts(draft: Path) -> bool:
    return any((draft / DONE).glob("*"))


def _is_of(draft: Path, task: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads((draft / TASK).read_text()) == json.loads(json.dumps(task)))
    except (OSError, ValueError):
        return False


def publish(package: Path, destination: Path) -> None:
    """Rename a folder, whose files are on the disk, to `destination`.

    Raises UserError if there is something by now.
    """
    sync(package)
    try:
        package.rename(destination)  # fails if somebody has put something there
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            refuse_existing(destination)
        raise
    sync(destination.parent)
