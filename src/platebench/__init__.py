"""platebench measures in which storage format microscopy images should be kept."""

__version__ = "0.1.0"
