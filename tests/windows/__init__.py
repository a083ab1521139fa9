"""The bridge on Windows with the real MetaTrader5 package, under Wine: `tests/windows/run`."""
