from __future__ import annotations

from typing import get_args

import pytest

from bridge.advice import advice
from bridge.replies import Reason

REASONS = ["wrong_path", "not_started", "starting", "busy", "mute"]
"""What is found without the package."""


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


@pytest.mark.parametrize("reason", REASONS)
def test_what_was_found_without_the_package_needs_no_code(reason: str) -> None:
    found = advice(0, "anything", reason)
    assert found.reason == reason
    assert found.cause
    assert found.next_step
    assert not found.refused, "it may be otherwise in a moment"


def test_a_reason_says_more_than_a_code() -> None:
    assert advice(-10_003, "MetaTrader 5 x64 not found", "busy").reason == "busy"
    assert advice(-6, "", "").reason == advice(-6, "", "no such reason").reason == "bad_credentials"


def test_where_it_is_only_a_matter_of_waiting_the_pauses_do_not_grow() -> None:
    assert {reason for reason in REASONS if advice(0, "", reason).every_s is not None} == {"starting"}
    assert advice(-10_005, "").every_s is None


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (-10_005, "", "wizard"), (-10_004, "", "link_lost"), (-10_002, "", "link_lost"), (-10_001, "", "link_lost"),
        (-8, "", "api_disabled"), (-7, "", "otp"), (-6, "", "bad_credentials"), (-5, "", "wrong_build"), (-1, "", "other"),
        (-10_003, "MetaTrader 5 x64 not found", "no_terminal"), (-10_003, "Process create failed 'C:\\x.exe'", "wrong_path"),
        (-10_003, "Process create failed 'tcp://127.0.0.1:1'", "not_started"), (-10_003, "didn't answer", "mute"),
        (-10_003, "something new", "other"),
    ],
)  # fmt: skip
def test_every_cause_has_a_name_for_programs(code: int, text: str, reason: str) -> None:
    assert advice(code, text).reason == reason
    assert reason in get_args(Reason)
