"""A simulated MetaTrader 5 terminal: its process, its world, and the MetaTrader5 module that attaches to it."""
