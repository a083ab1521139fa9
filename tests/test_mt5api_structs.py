from __future__ import annotations

import copy
import gc
import json
import pickle
from typing import Any

import numpy as np
import pytest

from bridge.mt5api import structs
from bridge.mt5api.structseq import new_type

TICK_VALUES = (1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0)
REQUEST_VALUES = (1, 0, 0, "EURUSD", 0.1, 1.1, 0.0, 0.0, 0.0, 10, 0, 0, 0, 0, "c", 0, 0)


@pytest.fixture
def tick() -> Any:
    return structs.Tick(TICK_VALUES)


def test_is_a_tuple_with_names(tick: Any) -> None:
    assert repr(tick) == "Tick(time=1, bid=1.1, ask=1.2, last=0.0, volume=0, time_msc=1000, flags=6, volume_real=0.0)"
    assert issubclass(type(tick), tuple)
    assert tick == TICK_VALUES
    assert hash(tick) == hash(TICK_VALUES)
    assert tick.bid == tick[1] == 1.1
    assert type(tick[1:3]) is tuple
    assert (tick.n_fields, tick.n_sequence_fields, tick.n_unnamed_fields) == (8, 8, 0)
    assert structs.Tick.__match_args__ == ("time", "bid", "ask", "last", "volume", "time_msc", "flags", "volume_real")
    assert structs.Tick.__doc__ == "This is a structure for storing latest symbol prices"
    assert structs.Tick.__module__ == "builtins"
    assert json.dumps(tick) == "[1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0]"


def test_asdict_is_plain_and_not_recursive(tick: Any) -> None:
    assert tick._asdict() == dict(zip(tick.__match_args__, TICK_VALUES, strict=True))
    assert repr(structs.Tick._asdict) == "<method '_asdict' of 'Tick' objects>"
    result = structs.build("OrderSendResult", [10009, 1, 2, 0.1, 1.1, 1.0, 1.2, "ok", 3, 0, REQUEST_VALUES])
    assert type(result._asdict()["request"]) is structs.TradeRequest
    with pytest.raises(TypeError, match=r"Tick\._asdict\(\) takes no arguments \(1 given\)"):
        tick._asdict(1)
    with pytest.raises(TypeError, match="descriptor '_asdict' for 'Tick' objects doesn't apply to a 'NoneType' object"):
        structs.Tick._asdict(None)


@pytest.mark.parametrize("name", ["_fields", "_replace", "_make", "_field_defaults", "__dict__"])
def test_has_nothing_of_a_namedtuple(tick: Any, name: str) -> None:
    assert not hasattr(tick, name)


def test_is_read_only(tick: Any) -> None:
    with pytest.raises(AttributeError, match="readonly attribute"):
        tick.bid = 5.0
    with pytest.raises(AttributeError, match="'Tick' object has no attribute 'foo'"):
        tick.foo = 5.0
    with pytest.raises(TypeError, match="cannot set 'foo' attribute of immutable type 'Tick'"):
        structs.Tick.foo = 1
    with pytest.raises(TypeError, match="type 'Tick' is not an acceptable base type"):
        type("Sub", (structs.Tick,), {})


def test_copies_but_does_not_pickle(tick: Any) -> None:
    assert copy.copy(tick) == copy.deepcopy(tick) == tick
    with pytest.raises(pickle.PicklingError, match="Can't pickle <class 'Tick'>"):
        pickle.dumps(tick)


def test_constructor_takes_one_sequence() -> None:
    assert structs.Tick(range(8)).ask == 2
    with pytest.raises(TypeError, match=r"Tick\(\) takes a 8-sequence \(7-sequence given\)"):
        structs.Tick(range(7))
    with pytest.raises(TypeError, match="constructor requires a sequence"):
        structs.Tick(1)


@pytest.mark.parametrize("name", structs.TYPES)
def test_every_type(name: str) -> None:
    fields = [field for field, _ in structs.FIELDS[name]]
    made = structs.TYPES[name](range(len(fields)))
    assert repr(made) == f"{name}({', '.join(f'{field}={place}' for place, field in enumerate(fields))})"
    assert getattr(structs, name) is structs.TYPES[name]


def test_build_brings_values_to_the_fields_types() -> None:
    tick = structs.build("Tick", [True, 1, 2, 0, 0.0, 5, 6, 7])
    assert [type(value) for value in tick] == [int, float, float, float, int, int, int, float]


def test_build_refuses_what_is_not_the_struct() -> None:
    with pytest.raises(ValueError, match="Tick has 8 fields, the terminal sent 7"):
        structs.build("Tick", [0] * 7)
    with pytest.raises(TypeError):
        structs.build("Tick", [None] * 8)


@pytest.mark.parametrize("dtype", [structs.TICK_DTYPE, structs.RATE_DTYPE])
@pytest.mark.parametrize("rows", [0, 3])
def test_records_are_read_only_and_own_their_data(dtype: np.dtype[np.void], rows: int) -> None:
    source = np.zeros(rows, dtype=dtype)
    source["time"] = np.arange(rows)
    read = structs.records(source.tobytes(), dtype)
    assert read.dtype == dtype
    assert read.shape == (rows,)
    assert read.flags.owndata
    assert not read.flags.writeable
    assert (read == source).all()
    if rows:
        with pytest.raises(ValueError, match="read-only"):
            read["time"][0] = 1


def test_records_refuse_a_broken_length() -> None:
    with pytest.raises(ValueError, match="multiple"):
        structs.records(b"x" * 61, structs.TICK_DTYPE)


def test_new_types_survive_a_collection() -> None:
    made = [new_type(f"Made{place}", "doc", ("alpha", "beta"))((place, "x")) for place in range(20)]
    gc.collect()
    assert [value._asdict() for value in made] == [{"alpha": place, "beta": "x"} for place in range(20)]
