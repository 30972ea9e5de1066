"""The charts of the page and of the README: a module each, and what they share in `style`."""
