"""The guarded session: the only code that talks to a terminal, in a process (or a thread) of its own."""
