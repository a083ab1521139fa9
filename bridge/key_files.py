"""Files with CURVE keys: the secret key of a bridge or a client, and the list of the keys that a bridge allows.

```toml
# alice.key, for its owner alone            # allowed.toml, beside the bridge's own key
name = "alice"                              [[key]]
public = "…"                                name = "alice"
secret = "…"                                public = "…"
                                            role = "trader"
                                            expires = "2027-12-31"
```

Keys are in z85. A secret that others of the machine could read, and a list that others could write, are refused.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import msgspec

from bridge.access import NAME, ROLES, Allowed, Role
from bridge.errors import ConfigError
from bridge.ownership import check_private, check_unforged, make_private

SERVER = "server"
"""Name of a bridge's own key."""
NEXT_SERVER = "server-next"
ALLOWED = "allowed.toml"
DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()
HEADER = "# Keys that may connect; written by `mt5bridge keys`. The bridge reads it again when it changes.\n"


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key pair, in z85, and whose it is."""

    name: str
    public: str
    secret: str

    def __repr__(self) -> str:
        return f"Secret(name={self.name!r}, public={self.public!r}, secret=***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("name", self.name), ("public", self.public), ("secret", ...)]


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    public: str
    role: Literal["monitor", "trader", "admin"]
    expires: str = ""


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: tuple[_Key, ...] = ()


# ---- secrets ---------------------------------------------------------------------------------------------------------------------


def new_secret(name: str) -> Secret:
    """A new key pair. Raises `ConfigError` for a name that is none."""
    import zmq  # noqa: PLC0415 - commands that need none start without

    checked_name(name)
    public, secret = zmq.curve_keypair()
    while public.startswith(b"-"):  # a command line takes that for an option
        public, secret = zmq.curve_keypair()
    return Secret(name, public.decode(), secret.decode())


def write_secret(path: Path, secret: Secret) -> None:
    """Write a key, for its owner alone; never over another file. Raises `ConfigError`."""
    text = f'name = "{secret.name}"\npublic = "{secret.public}"\nsecret = "{secret.secret}"\n'
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{path} exists already", next_step="choose another name, or remove the file if nobody uses the key"
        ) from None
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        with os.fdopen(file, "w", encoding="ascii", newline="\n") as opened:
            make_private(path)
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise _unusable(path, error) from None


def read_secret(path: Path) -> Secret:
    """The key in a file. Raises `ConfigError`: also when others than its owner could read it."""
    import zmq  # noqa: PLC0415

    check_private(path)
    try:
        secret = msgspec.toml.decode(path.read_bytes(), type=Secret)
    except OSError as error:
        raise _unusable(path, error) from None
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(f"{path} is not a key file", next_step="make one with: mt5bridge keys new NAME") from None
    try:
        matches = zmq.curve_public(secret.secret.encode()).decode() == secret.public
    except (zmq.ZMQError, ValueError, UnicodeError):
        matches = False
    if not matches:
        raise ConfigError(f"{path} has no key pair in it", next_step="make a new one with: mt5bridge keys new NAME")
    return secret


def own_secret(home: Path, name: str = SERVER) -> Secret:
    """The bridge's own key; made if there is none. Raises `ConfigError`."""
    path = home / f"{name}.key"
    if not path.exists():
        write_secret(path, new_secret(name))
    return read_secret(path)


# ---- the list --------------------------------------------------------------------------------------------------------------------


def read_allowed(path: Path) -> tuple[Allowed, ...]:
    """The keys that a list allows; none where there is no list. Raises `ConfigError`: also when others could have written it."""
    if not path.exists():
        return ()
    check_unforged(path)
    try:
        found = msgspec.convert(tomllib.loads(path.read_bytes().decode("utf-8-sig")), _List)
    except OSError as error:
        raise _unusable(path, error) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", next_step="mend the line") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}", next_step="correct it, or use mt5bridge keys allow and revoke") from None
    keys = tuple(allowed(key.name, key.public, key.role, key.expires) for key in found.key)
    twice = {key.public for key in keys if sum(other.public == key.public for other in keys) > 1}
    if twice:
        raise ConfigError(f"{path}: the key {min(twice)} is there twice", next_step="remove one of them")
    return keys


def allowed(name: str, public: str, role: str, expires: str = "") -> Allowed:
    """A key that is to be allowed. Raises `ConfigError` for what is none of it."""
    checked_name(name)
    if name in (SERVER, NEXT_SERVER):
        raise ConfigError(f"{name!r} is the name of the bridge's own key", next_step="choose another name")
    if role not in ROLES:
        raise ConfigError(f"no such role: {role!r}", next_step=f"one of {', '.join(ROLES)}")
    days = 0
    if expires:
        try:
            last = date.fromisoformat(expires)
        except ValueError:
            raise ConfigError(f"not a date: {expires!r}", next_step="write it as 2027-12-31") from None
        expires, days = last.isoformat(), last.toordinal() + 1 - _EPOCH
    known: Role = next(one for one in ROLES if one == role)
    return Allowed(key_id(public), public, name, known, expires, days * DAY_US)


def key_id(public: str) -> str:
    """The id of a key in z85, as in the User-Id of its messages. Raises `ConfigError` for what is no key."""
    import zmq.utils.z85  # noqa: PLC0415

    try:
        raw = zmq.utils.z85.decode(public.encode("ascii"))
    except (KeyError, ValueError, struct.error):
        raw = b""
    if len(public) != 40 or len(raw) != 32:
        raise ConfigError(f"not a public key: {public!r}", next_step="it has 40 characters; mt5bridge keys new NAME prints it")
    return raw.hex()


def write_allowed(path: Path, keys: Sequence[Allowed]) -> None:
    """Replace the list, whole or not at all. Raises `ConfigError`."""
    text = HEADER + "".join(map(_section, keys))
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="\n") as opened:
            make_private(beside)
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(path)
    except OSError as error:
        raise _unusable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _section(key: Allowed) -> str:
    lines = {"name": key.name, "public": key.public, "role": key.role} | ({"expires": key.expires} if key.expires else {})
    return "\n[[key]]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())


def with_key(keys: Iterable[Allowed], new: Allowed) -> tuple[Allowed, ...]:
    """The list with one key more, or with other rights for a key that it has. Two keys of one name are two keys of one owner, so
    that one can follow the other. Raises `ConfigError` where the key is somebody else's, or the role is another than that of the
    owner's other key."""
    others = [key for key in keys if key.id != new.id]
    for key in keys:
        if key.id == new.id and key.name != new.name:
            raise ConfigError(f"the key is that of {key.name}", next_step=f"revoke it first: mt5bridge keys revoke {key.name}")
    for key in others:
        if key.name == new.name and key.role != new.role:
            raise ConfigError(
                f"{new.name} has another key, as {key.role}",
                next_step="revoke that first, or allow this one with the same role or under another name",
            )
    return (*others, new)


def without(keys: Iterable[Allowed], who: str) -> tuple[tuple[Allowed, ...], tuple[Allowed, ...]]:
    """The list without the keys of a name, or without one public key; and those that were taken out. Raises `ConfigError` where
    there is none."""
    keys = tuple(keys)
    gone = tuple(key for key in keys if who in (key.name, key.public))
    if not gone:
        names = ", ".join(sorted({key.name for key in keys})) or "nobody"
        raise ConfigError(f"there is no key of {who!r}", next_step=f"allowed are: {names}")
    return tuple(key for key in keys if key not in gone), gone


def checked_name(name: str) -> str:
    """A name for a key. Raises `ConfigError` for what cannot be one."""
    if NAME.fullmatch(name) is None:
        raise ConfigError(
            f"not a name: {name!r}",
            next_step="use up to 64 letters, digits, dots, hyphens and underscores, beginning with one of the first two",
        )
    return name


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be used: {error.strerror or error}", next_step="mend that, or name another file")
