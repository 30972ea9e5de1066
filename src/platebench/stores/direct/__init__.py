"""The best direct calls known of each library, for `platebench calibrate adapters`.

One module per store module, of the same name. It has `calls(layout, tuning)` and may have `REASONS`
for what an adapter does that a direct call does not. No store imports these modules.
"""
