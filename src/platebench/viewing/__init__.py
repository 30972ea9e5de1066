"""Show the images of a table in a notebook or as a self-contained HTML page."""
