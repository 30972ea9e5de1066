"""Repeat the 2024 talk "Images and Databases" step by step with the installed libraries."""
