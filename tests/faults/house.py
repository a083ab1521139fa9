"""A bridge that asks for keys, its folder of them, and raw sockets with whatever key."""

from __future__ import annotations

import time
from pathlib import Path

import zmq

from bridge.access import Allowed
from bridge.key_files import ALLOWED, Secret, allowed, new_secret, own_secret, write_allowed, write_secret
from clients import Client
from tests.faults.scene import BridgeProcess, SimulatedProcess
from tests.processes import PATIENCE_S

SEEN_S = 0.5
"""Until a bridge has read a list that has changed."""

Socket = zmq.Socket[bytes]


class House:
    """The bridge and who may come in."""

    def __init__(self, folder: Path, terminal: SimulatedProcess, settings: str = "", *, keyed: bool = True) -> None:
        """`settings` are more lines of the configuration, the first of `[bridge]`. Without `keyed` nobody is asked for a key."""
        self.keyed = keyed
        self.keys = folder / "keys"
        self.server = own_secret(self.keys).public
        self.allowed: dict[str, Allowed] = {}
        self.bridge = BridgeProcess(folder, terminal, f"require_keys = {str(keyed).lower()}\nkeys = '{self.keys}'\n{settings}")

    def make(self, name: str, role: str | None) -> Path:
        """A key, and its role if it is allowed."""
        path, secret = self.keys / f"{name}.key", new_secret(name)
        write_secret(path, secret)
        if role is not None:
            self.allow(secret, role)
        return path

    def allow(self, secret: Secret, role: str) -> None:
        """Have the bridge let a key in."""
        self.restore(allowed(secret.name, secret.public, role))

    def restore(self, key: Allowed) -> None:
        """Have the bridge let a key in again."""
        self.allowed[key.name] = key
        self._write()

    def revoke(self, name: str) -> Allowed:
        """Have the bridge let a key in no more."""
        gone = self.allowed.pop(name)
        self._write()
        return gone

    def _write(self) -> None:
        write_allowed(self.keys / ALLOWED, tuple(self.allowed.values()))
        time.sleep(SEEN_S)

    def client(self, key: Path, timeout_s: float = PATIENCE_S, server: str | None = None) -> Client:
        """A client with a key."""
        if not self.keyed:
            return Client(self.bridge.requests, timeout_s=timeout_s)
        return Client(self.bridge.requests, timeout_s=timeout_s, key=key, server_key=server or self.server)

    def socket(self, context: zmq.Context[Socket], kind: int, secret: Secret | None, server: str | None = None) -> Socket:
        """A socket that is connected to the requests, or, as SUB, to the events; without a key it is a plain one."""
        socket = context.socket(kind)
        socket.set(zmq.LINGER, 0)
        if secret is not None:
            socket.set(zmq.CURVE_SERVERKEY, (server or self.server).encode())
            socket.set(zmq.CURVE_PUBLICKEY, secret.public.encode())
            socket.set(zmq.CURVE_SECRETKEY, secret.secret.encode())
        socket.connect(self.bridge.events if kind == zmq.SUB else self.bridge.requests)
        return socket
