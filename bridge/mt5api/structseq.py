"""Struct sequences made by the interpreter's own C API, as the MetaTrader5 extension makes them.

A pure Python look-alike can be told from the real thing (member descriptors, `__reduce__`, constructor errors, no subclassing), and
those details differ between Python versions.  `PyStructSequence_NewType` is part of CPython's stable ABI; using it means that the
types behave here as the package's types would under the same interpreter.
"""

from __future__ import annotations

import ctypes
import warnings
from typing import Any

_METH_NOARGS = 0x0004
_TPFLAGS_IMMUTABLETYPE = 1 << 8
_POINTERS_BEFORE_TP_FLAGS = 19  # ob_size, tp_name, … tp_as_buffer: unchanged since Python 3.0


class _Field(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("doc", ctypes.c_char_p))


class _Description(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("doc", ctypes.c_char_p),
        ("fields", ctypes.POINTER(_Field)),
        ("n_in_sequence", ctypes.c_int),
    )


_METHOD = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_void_p)


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", _METHOD),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


# The types keep pointers into these, so they live as long as the process.
_KEPT: list[Any] = []


def _asdict(self: Any, _: Any) -> Any:
    return dict(zip(type(self).__match_args__, self, strict=True))


_ASDICT_DEF = _MethodDef(b"_asdict", _METHOD(_asdict), _METH_NOARGS, None)


def new_type(name: str, doc: str, fields: tuple[str, ...]) -> Any:
    """A struct sequence type with a non-recursive `_asdict()`, in module `builtins`, closed against changes."""
    rows = (_Field * (len(fields) + 1))(*(_Field(field.encode(), None) for field in fields))
    description = _Description(name.encode(), doc.encode(), rows, len(fields))
    make = ctypes.pythonapi.PyStructSequence_NewType
    make.restype, make.argtypes = ctypes.py_object, (ctypes.POINTER(_Description),)
    with warnings.catch_warnings():
        # Its name has no module, as in the extension: a module would show in repr().
        warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
        made = make(ctypes.byref(description))
    made.__module__ = "builtins"
    descriptor = ctypes.pythonapi.PyDescr_NewMethod
    descriptor.restype, descriptor.argtypes = ctypes.py_object, (ctypes.py_object, ctypes.POINTER(_MethodDef))
    made._asdict = descriptor(made, ctypes.byref(_ASDICT_DEF))
    _KEPT.append((made, rows, description))
    _close(made)
    return made


def _close(made: Any) -> None:
    """Make the type immutable, like the extension's; where the interpreter's layout is unknown, leave it open."""
    if hasattr(ctypes.pythonapi, "PyType_Freeze"):  # Python 3.14
        freeze = ctypes.pythonapi.PyType_Freeze
        freeze.restype, freeze.argtypes = ctypes.c_int, (ctypes.py_object,)
        freeze(made)
        return
    offset = object.__basicsize__ + _POINTERS_BEFORE_TP_FLAGS * ctypes.sizeof(ctypes.c_void_p)
    flags = ctypes.c_ulong.from_address(id(made) + offset)
    if flags.value == made.__flags__:
        flags.value |= _TPFLAGS_IMMUTABLETYPE
        modified = ctypes.pythonapi.PyType_Modified
        modified.restype, modified.argtypes = None, (ctypes.py_object,)
        modified(made)
