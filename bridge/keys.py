"""`mt5bridge keys`: who may connect to the bridge from other machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.access import ROLES, Allowed
from bridge.config import keys_folder
from bridge.errors import ConfigError
from bridge.key_files import (
    ALLOWED,
    NEXT_SERVER,
    SERVER,
    allowed,
    checked_name,
    new_secret,
    own_secret,
    read_allowed,
    read_secret,
    with_key,
    without,
    write_allowed,
    write_secret,
)
from bridge.options import json_option

F = TypeVar("F", bound=Callable[..., Any])

folder_option: Callable[[F], F] = click.option(
    "--keys", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Where the keys are [MT5BRIDGE_KEYS, a folder of this user].",
)  # fmt: skip


@click.group()
def keys() -> None:
    """Keys, names and roles of those who may connect from other machines.

    \b
    On the client's machine:   mt5bridge keys new alice
    On the bridge's machine:   mt5bridge keys allow alice 'PUBLIC KEY' --role trader
                               mt5bridge keys server
    Then, for the client:      --key alice.key --server-key 'SERVER KEY'

    A running bridge follows every change within a second.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to write it [NAME.key in the folder]."
)
@folder_option
@json_option
def new(name: str, out: Path | None, folder: Path | None, as_json: bool) -> None:
    """Make a key, write it to a file that only you can read, and print its public half.

    \b
    Example:
      mt5bridge keys new alice
    """
    checked_name(name)
    if name in (SERVER, NEXT_SERVER):
        raise ConfigError(f"{name!r} is the bridge's own key", next_step="mt5bridge keys server makes and shows it")
    path = out or keys_folder(folder) / f"{name}.key"
    secret = new_secret(name)
    write_secret(path, secret)
    if as_json:
        click.echo(json.dumps({"name": name, "public": secret.public, "file": str(path)}))
    else:
        click.echo(secret.public)
        click.echo(
            f"the secret key is in {path}; on the bridge's machine: mt5bridge keys allow {name} '{secret.public}' --role ROLE",
            err=True,
        )


@keys.command()
@click.argument("name")
@click.argument("public")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What it may do.")
@click.option("--expires", default="", metavar="DATE", help="Last day on which it counts, as 2027-12-31.")
@folder_option
def allow(name: str, public: str, role: str, expires: str, folder: Path | None) -> None:
    """Let a key in, or give it another role or another last day.

    A second key of the same name is the next key of the same owner: revoke the first one, by its public half, when it is not used
    any more. What a trader may trade is said by the section [clients."NAME"] of the configuration.

    \b
    Example:
      mt5bridge keys allow alice 'PUBLIC KEY' --role trader
    """
    path = keys_folder(folder) / ALLOWED
    key = allowed(name, public, role, expires)
    _change(path, lambda keys: with_key(keys, key))
    click.echo(f"{name} may connect as {role}{f' until {key.expires}' if key.expires else ''}")


@keys.command()
@click.argument("who", metavar="NAME_OR_PUBLIC")
@folder_option
def revoke(who: str, folder: Path | None) -> None:
    """Let all keys of a name, or one key, in no more. A running bridge cuts their connections off within a second.

    \b
    Example:
      mt5bridge keys revoke alice
    """
    gone: list[Allowed] = []

    def change(keys: tuple[Allowed, ...]) -> tuple[Allowed, ...]:
        left, taken = without(keys, who)
        gone[:] = taken
        return left

    _change(keys_folder(folder) / ALLOWED, change)
    for key in gone:
        click.echo(f"revoked: {key.name} ({key.role}) {key.public}")


@keys.command("list")
@folder_option
@json_option
def list_(folder: Path | None, as_json: bool) -> None:
    """Who may connect, and the bridge's own public key.

    \b
    Example:
      mt5bridge keys list
    """
    home = keys_folder(folder)
    found = read_allowed(home / ALLOWED)
    own = read_secret(home / f"{SERVER}.key").public if (home / f"{SERVER}.key").exists() else ""
    now_us = time.time_ns() // 1000
    if as_json:
        told = [{"name": key.name, "role": key.role, "public": key.public, "expires": key.expires} for key in found]
        click.echo(json.dumps({"server": own, "keys": told}))
        return
    click.echo(f"server   {own or 'has no key yet: mt5bridge keys server'}")
    for key in sorted(found, key=lambda key: (key.name, key.public)):
        until = f"  {'EXPIRED' if key.expired(now_us) else 'until'} {key.expires}" if key.expires else ""
        click.echo(f"{key.role:8} {key.public}  {key.name}{until}")
    if not found:
        click.echo("nobody else is allowed")


@keys.command()
@click.option("--next", "coming", is_flag=True, help="The key that will follow it; made if there is none.")
@click.option("--switch", is_flag=True, help="From the next start of the bridge on, the key that follows is the bridge's.")
@folder_option
@json_option
def server(coming: bool, switch: bool, folder: Path | None, as_json: bool) -> None:
    """The bridge's own public key, which its clients are given; made if there is none.

    To change it without a pause: --next makes the one that follows; give it to every client beside the present one
    (--server-key 'PRESENT,NEXT'); then --switch, and start the bridge anew.

    \b
    Examples:
      mt5bridge keys server
      mt5bridge keys server --next
    """
    home = keys_folder(folder)
    present, following = home / f"{SERVER}.key", home / f"{NEXT_SERVER}.key"
    if switch:
        secret = read_secret(following)
        following.replace(present)
    else:
        secret = own_secret(home, NEXT_SERVER if coming else SERVER)
    click.echo(json.dumps({"public": secret.public}) if as_json else secret.public)


def _change(path: Path, change: Callable[[tuple[Allowed, ...]], tuple[Allowed, ...]]) -> None:
    write_allowed(path, change(read_allowed(path)))
