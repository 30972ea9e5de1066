"""The errors a person meets, each one line that names the thing and what to do."""


class UserError(Exception):
    """Something the user gave cannot be used; the command line prints it and exits 2."""


class Unsupported(Exception):
    """A store cannot hold these images or do this operation; the cell is skipped, saying why."""


class Mismatch(Exception):
    """What a store gave back differs from what was put in; the cell fails, with this message."""
