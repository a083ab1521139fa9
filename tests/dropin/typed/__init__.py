"""Programs typed against the stubs of MetaTrader5; they are checked with the repository's own settings, which are strict."""
