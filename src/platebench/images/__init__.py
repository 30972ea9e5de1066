"""What is kept: image sets, the generator that makes them, and TIFF, CellH5 and table files."""
