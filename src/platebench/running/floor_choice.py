"""The way in which the floor reads and writes on the disk of a work folder.

`platebench calibrate floor` measures it and keeps it in the work folder, since it belongs to the
disk as much as to the machine. Without it the default applies, which was measured on the reference
machine.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from platebench.atomic_files import write_whole
from platebench.errors import UserError
from platebench.running.machine_facts import this_machine
from platebench.stores.floor.choice import DEFAULT, WITHOUT_DIRECT, Choice
from platebench.stores.floor.variants import has_direct
from platebench.timing.protocol import FLOOR_CHOICE

FILE = "floor.json"


@dataclass(frozen=True)
class FloorChoice:
    """A choice, and why it applies: `measured`, `default`, or `default without O_DIRECT`."""

    choice: Choice
    reason: str

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that make the floor use it. The default needs none."""
        return {} if self.choice == DEFAULT else {FLOOR_CHOICE: str(self.choice)}

    @property
    def facts(self) -> dict[str, str]:
        """What a run records of it, beside the facts of the machine."""
        return {"floor": str(self.choice), "floor_choice": self.reason}


def floor_choice(work: Path) -> FloorChoice:
    """Return the floor's choice for a work folder. Raises UserError if its file is damaged."""
    kept = _kept(work)
    if kept is not None:
        return FloorChoice(kept, "measured")
    with tempfile.TemporaryFile(dir=work) as file:
        if has_direct(file.fileno()):
            return FloorChoice(DEFAULT, "default")
    return FloorChoice(WITHOUT_DIRECT, "default without O_DIRECT")


def keep(work: Path, choice: Choice) -> Path:
    """Keep the choice that was measured on this machine, in its work folder."""
    content = {"machine": this_machine()["machine"], "choice": str(choice)}
    return write_whole(work / FILE, json.dumps(content, indent=1) + "\n")


def _kept(work: Path) -> Choice | None:
    """Return the choice that was measured here; None without one, or from another machine."""
    file = work / FILE
    try:
        content = json.loads(file.read_text())
        if content["machine"] != this_machine()["machine"]:
            return None
        return Choice.parse(content["choice"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError, UserError) as error:
        raise UserError(
            f"{file}: is damaged or from another version; remove it, or run"
            " 'platebench calibrate floor'"
        ) from error
