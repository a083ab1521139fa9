"""Conformance scenarios: plain text files that say what is sent and what is expected, and the program that plays them."""
