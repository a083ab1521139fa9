"""Access lists of files on Windows, by SID: names of users and groups are other words in other languages.

`GetFileSecurityW`, `SetFileSecurityW` and the string forms of SIDs and descriptors are of advapi32 (Win32 reference).
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

if sys.platform == "win32":
    from ctypes import wintypes

    _advapi = ctypes.WinDLL("advapi32", use_last_error=True)
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _advapi.GetFileSecurityW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD, wintypes.LPDWORD]
    _advapi.SetFileSecurityW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_void_p]
    _advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW.argtypes = [
        ctypes.c_void_p, wintypes.DWORD, wintypes.DWORD, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p,
    ]  # fmt: skip
    _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = [
        wintypes.LPCWSTR, wintypes.DWORD, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p,
    ]  # fmt: skip
    _advapi.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
    _advapi.GetTokenInformation.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, wintypes.LPDWORD]
    _advapi.ConvertSidToStringSidW.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]
    _kernel.LocalFree.argtypes = [ctypes.c_void_p]
    _kernel.GetCurrentProcess.restype = wintypes.HANDLE
    _kernel.CloseHandle.argtypes = [wintypes.HANDLE]

_DACL = 4
_PROTECTED_DACL = 0x8000_0000
_TOKEN_QUERY, _TOKEN_USER = 8, 1
_REVISION = 1
TRUSTED = ("SY", "BA", "OW", "CO", "S-1-5-18", "S-1-5-32-544")
"""The system, administrators, and the owner, who could have it anyway."""
_ENTRY = re.compile(r"\((?P<kind>[A-Z]+);[^;]*;(?P<rights>[^;]*);[^;]*;[^;]*;(?P<who>[^;)]*)")
_READS = re.compile(r"GA|GR|FA|FR|KA|KR|CC|RP")
_WRITES = re.compile(r"GA|GW|FA|FW|KA|KW|WD|WO|DC|LC|WP|SD")
_READ_BITS = 0x1000_0000 | 0x8000_0000 | 0x0001
_WRITE_BITS = 0x1000_0000 | 0x4000_0000 | 0x0002 | 0x0004 | 0x0001_0000 | 0x0004_0000 | 0x0008_0000


def strangers(descriptor: str, own_sid: str, *, writing: bool) -> list[str]:
    """Who, beside `own_sid` and who is trusted anyway, may read (or write) what has this descriptor, in SDDL."""
    found: list[str] = []
    _, _, acl = descriptor.partition("D:")
    if not descriptor or "D:" not in descriptor or acl.startswith("NO_ACCESS_CONTROL"):
        return ["everybody"]
    for entry in _ENTRY.finditer(acl):
        allows = entry["kind"] in ("A", "XA", "OA") and _grants(entry["rights"], writing=writing)
        if allows and entry["who"] not in (*TRUSTED, own_sid) and entry["who"] not in found:
            found.append(entry["who"])
    return found


def _grants(rights: str, *, writing: bool) -> bool:
    if rights.lower().startswith("0x"):
        return bool(int(rights, 16) & (_WRITE_BITS if writing else _READ_BITS))
    pairs = [rights[at : at + 2] for at in range(0, len(rights), 2)]
    return any((_WRITES if writing else _READS).fullmatch(pair) for pair in pairs)


if sys.platform == "win32":

    def others(path: Path, *, writing: bool) -> list[str]:
        """Who else may read (or write) the file, by SID. Raises `OSError`."""
        return strangers(_descriptor(path), _own_sid(), writing=writing)

    def make_private(path: Path) -> None:
        """Give the file to us alone, the system and administrators aside; nothing is inherited. Raises `OSError`."""
        made = ctypes.c_void_p()
        words = f"D:P(A;;FA;;;{_own_sid()})(A;;FA;;;SY)(A;;FA;;;BA)"
        _check(_advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(words, _REVISION, ctypes.byref(made), None))
        try:
            _check(_advapi.SetFileSecurityW(str(path), _DACL | _PROTECTED_DACL, made))
        finally:
            _kernel.LocalFree(made)

    def _descriptor(path: Path) -> str:
        needed = wintypes.DWORD()
        _advapi.GetFileSecurityW(str(path), _DACL, None, 0, ctypes.byref(needed))
        buffer = ctypes.create_string_buffer(max(needed.value, 1))
        _check(_advapi.GetFileSecurityW(str(path), _DACL, buffer, len(buffer), ctypes.byref(needed)))
        text = ctypes.c_void_p()
        _check(_advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW(buffer, _REVISION, _DACL, ctypes.byref(text), None))
        return _text(text)

    def _own_sid() -> str:
        token = wintypes.HANDLE()
        _check(_advapi.OpenProcessToken(_kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)))
        try:
            needed = wintypes.DWORD()
            _advapi.GetTokenInformation(token, _TOKEN_USER, None, 0, ctypes.byref(needed))
            buffer = ctypes.create_string_buffer(max(needed.value, 1))
            _check(_advapi.GetTokenInformation(token, _TOKEN_USER, buffer, len(buffer), ctypes.byref(needed)))
            sid = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_void_p))[0]
            text = ctypes.c_void_p()
            _check(_advapi.ConvertSidToStringSidW(sid, ctypes.byref(text)))
            return _text(text)
        finally:
            _kernel.CloseHandle(token)

    def _text(pointer: ctypes.c_void_p) -> str:
        try:
            return ctypes.wstring_at(pointer.value or 0)
        finally:
            _kernel.LocalFree(pointer)

    def _check(succeeded: int) -> None:
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())
