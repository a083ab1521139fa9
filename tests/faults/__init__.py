"""Fault runs with real processes: `python -m tests.faults NAME`."""
