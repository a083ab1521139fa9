from __future__ import annotations

import pytest

from bridge.advice import advice


@pytest.mark.parametrize("code", [-10_005, -10_004, -10_002, -10_001, -8, -7, -6, -5])
def test_every_known_code_has_words_and_a_next_step(code: int) -> None:
    found = advice(code, "")
    assert found.cause
    assert found.next_step
    assert found.cause != advice(1234, "").cause


def test_only_what_a_person_has_to_mend_in_the_settings_is_refused() -> None:
    assert {code for code in range(-10_010, 10) if advice(code, "").refused} == {-6, -7}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("IPC initialize failed, MetaTrader 5 x64 not found", "installed"),
        ("IPC initialize failed, Process create failed 'C:\\x.exe'", "MT5_PATH"),
        ("IPC initialize failed, Process start/communication failed, didn't answer", "dialog"),
    ],
)
def test_the_texts_of_a_failed_start_are_told_apart(text: str, words: str) -> None:
    found = advice(-10_003, text)
    assert words in found.cause + found.next_step
    assert not found.refused


@pytest.mark.parametrize(("code", "text"), [(-10_003, "something new"), (-1, "fail"), (1, ""), (-123456, "")])
def test_what_is_not_known_is_said_to_be_so_and_tried_again(code: int, text: str) -> None:
    found = advice(code, text)
    assert found.cause == "the terminal could not be attached"
    assert not found.refused
    assert found.next_step
