"""Image sets, the generator of synthetic ones, and readers of TIFF, CellH5 and table files."""
