"""Findings: where a library lost data, read more than was asked for, or changed, shown again."""
