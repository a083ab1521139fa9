"""MetaTrader5 5.0.6231 through a bridge: everything that `clients.mt5` has."""  # noqa: N999 - the name that programs import


def _fill() -> None:
    """Take the names of our module, also where the program has packages of its own that are called `clients` or `bridge`."""
    import importlib  # noqa: PLC0415 - nothing but the package's names may stay here
    import importlib.util  # noqa: PLC0415
    import sys  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    root = Path(__file__).resolve().parents[4]
    tops = ("clients", "bridge")

    def ours(name: str) -> bool:
        spec = importlib.util.find_spec(name)
        return spec is not None and spec.origin is not None and Path(spec.origin).resolve().parent == root / name

    def loaded() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in tops]

    if all(map(ours, tops)):
        module = importlib.import_module("clients.mt5")
    else:
        theirs = {name: sys.modules.pop(name) for name in loaded()}
        sys.path.insert(0, str(root))
        try:
            module = importlib.import_module("clients.mt5")
        finally:
            sys.path.remove(str(root))
            for name in loaded():
                del sys.modules[name]
            sys.modules.update(theirs)
    own = ("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__path__", "__file__", "__cached__", "__builtins__")
    globals().update({name: value for name, value in vars(module).items() if name not in own})


_fill()
del _fill
