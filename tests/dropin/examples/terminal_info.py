"""terminal_info() and version(), whole, and as a dictionary."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
version = mt5.version()
assert isinstance(version, tuple)
assert [type(part) for part in version] == [int, int, str]
print(version)
terminal = mt5.terminal_info()
assert isinstance(terminal, mt5.TerminalInfo)
print(terminal)
for name, value in list(terminal._asdict().items())[-6:]:
    print(f"  {name}={value}")
mt5.shutdown()
