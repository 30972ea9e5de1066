"""Tables that show their images: in a notebook, and as a page that stands alone."""
