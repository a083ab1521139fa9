"""`python -m strategies`."""

from strategies.commands import main

main()
