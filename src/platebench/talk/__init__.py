"""The 2024 talk "Images and Databases", step by step, on the libraries that are installed."""
