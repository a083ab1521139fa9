"""Who may import what; the sources are read, not run."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("bridge", "clients", "strategies")
    for path in sorted((ROOT / package).rglob("*.py"))
}
ZMQ = {
    "bridge.sockets", "bridge.loop", "bridge.sessions", "bridge.serve", "bridge.session.host", "bridge.session.child",
    "bridge.link_place",
    "bridge.doors", "bridge.key_files", "clients.sockets", "clients.driver", "clients.async_driver", "clients.peer",
    "strategies.control",
}  # fmt: skip
"""The only modules with sockets."""
SHARED = {"children", "key_files", "messages", "replies", "records", "trading", "ticks", "codec", "errors", "version", "mt5api"}
"""What clients may use of the bridge."""
NAMES = "bridge.session.instruments"
"""What the name of an instrument means: tables, and nothing else."""
REPLAYS = {"strategies.performance", "strategies.replay", "strategies.replaying", "strategies.track"}
"""Strategies over recorded data: they bring an account at the simulated broker with them, and are imported when asked for."""
SANS_IO = {
    "bridge.gateway", "bridge.supervision", "bridge.snapshots", "bridge.topics", "bridge.peers", "bridge.outcomes",
    "bridge.connection", "bridge.watch", "bridge.advice", "bridge.session.link", "bridge.codec", "bridge.messages",
    "bridge.session.core", "clients.session", "bridge.standing", "bridge.conditions", "bridge.clock", "bridge.reception",
    "bridge.overview", "bridge.ring", "bridge.shared", "bridge.streams", "bridge.calls", "bridge.session.owner",
    "bridge.session.signs", "bridge.reconcile", "bridge.reconciliation", "bridge.limits", "bridge.exposure", "bridge.minutes",
    "bridge.halt", "bridge.decisions", "strategies.supervisor",
}  # fmt: skip
"""Cores that are given bytes and the time, and reach for neither."""
OUTSIDE = {
    "zmq", "time", "datetime", "MetaTrader5", "numpy", "pandas", "asyncio", "socket", "select", "selectors", "threading",
    "subprocess", "os", "multiprocessing", "signal",
}  # fmt: skip
DEMONSTRATIONS = {"bridge.demo", "bridge.demo_parts", "bridge.demo_verdict", "bridge.demo_view", "bridge.report"}
"""Parts of the command line that use clients, and are imported only when they are needed."""
ALLOWED = {"bridge.session.core": {"numpy"}, "clients.session": {"datetime"}}
"""The session's core keeps account of ticks with numpy; a client's history takes moments as values, and asks no clock for them."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for name, path in SOURCES.items():
        yield name, ast.parse(path.read_text(encoding="utf-8"))


TREES = dict(trees())


def imports(name: str, *, lazy: bool = True) -> set[str]:
    """The modules that a module imports, also inside functions where `lazy`, but not only for type checking."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for branch in node.orelse:
                walk(branch)
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            module = node.module or ""
            for alias in node.names:
                deeper = f"{module}.{alias.name}"
                found.add(deeper if deeper in SOURCES else module)
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(TREES[name])
    return found


def reached(name: str) -> set[str]:
    """Everything that a module needs, of ours and directly of others; what its package offers besides does not count."""
    seen: set[str] = set()
    queue = [name]
    while queue:
        module = queue.pop()
        if module in seen:
            continue
        seen.add(module)
        if module in SOURCES:
            queue += imports(module, lazy=False)
    return seen


def top(module: str) -> str:
    return module.partition(".")[0]


def test_the_scan_sees_the_sources() -> None:
    assert len(SOURCES) > 40
    assert set(SOURCES) >= SANS_IO
    assert "zmq" in imports("bridge.sockets")
    assert "bridge.codec" in reached("bridge.gateway")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_only_socket_modules_import_zmq(name: str) -> None:
    assert name in ZMQ or "zmq" not in {top(module) for module in imports(name)}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_only_one_module_imports_the_real_package(name: str) -> None:
    if name != "bridge.terminal.metatrader":
        assert "MetaTrader5" not in {top(module) for module in imports(name)}


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if top(name) in ("clients", "strategies")))
def test_clients_and_strategies_keep_their_distance(name: str) -> None:
    for module in imports(name):
        parts = module.split(".")
        if parts[0] == "bridge":
            assert len(parts) > 1, f"{name} imports {module}"
            allowed = SHARED | {"terminal", "virtual_account"} if name in REPLAYS else SHARED
            assert parts[1] in allowed or module == NAMES, f"{name} imports {module}"
        if top(name) == "clients":
            assert parts[0] != "strategies", f"{name} imports {module}"


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if top(name) in ("clients", "strategies") and name not in REPLAYS))
def test_live_strategies_do_not_take_the_simulator(name: str) -> None:
    assert not {module for module in reached(name) if module in REPLAYS or module.startswith("bridge.terminal")}


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if top(name) == "bridge"))
def test_the_bridge_does_not_need_its_clients(name: str) -> None:
    assert {top(module) for module in imports(name, lazy=False)} & {"clients", "strategies"} == set() or name in DEMONSTRATIONS


@pytest.mark.parametrize("name", sorted(SANS_IO))
def test_cores_reach_for_nothing_outside(name: str) -> None:
    allowed = ALLOWED.get(name, set())
    assert {module for module in reached(name) if top(module) in OUTSIDE - allowed} == set()


def test_the_gateway_in_a_fresh_process() -> None:
    script = "import sys, bridge.gateway; print({'zmq', 'MetaTrader5', 'numpy', 'pandas', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_nothing_is_unpickled_or_evaluated(name: str) -> None:
    assert {top(module) for module in imports(name)} & FORBIDDEN_MODULES == set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            where = f"{name}:{node.lineno}"
            if isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), where
            for word in node.keywords:
                assert word.arg not in ("allow_pickle", "shell") or not getattr(word.value, "value", True), where
