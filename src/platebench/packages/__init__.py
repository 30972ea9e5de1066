"""Packages: one folder of images and tables that can be shared, checked and read."""
