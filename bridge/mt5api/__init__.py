"""The MetaTrader5 Python package, version 5.0.6231, as data and rules: constants, structs, calling rules, group filter."""
