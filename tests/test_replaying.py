"""The command `replay`, its figures and its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategies.commands import main
from tests.test_bar_market import recorded

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    rows = recorded(2, 900)
    frame = pd.DataFrame(rows.rows).drop(columns="real_volume")
    file = tmp_path / "EURUSD_H1.csv"
    frame.to_csv(file, index=False)
    return file


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *arguments])
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out, err


def test_deals_equity_and_figures_are_of_one_account(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deals_file, equity_file = tmp_path / "deals.csv", tmp_path / "equity.csv"
    code, out, _ = replayed(
        capsys, "ma_crossover", "--data", str(bars), "--fast", "4", "--slow", "9", "--commission", "3.5", "--balance", "5000",
        "--deals", str(deals_file), "--equity", str(equity_file), "--json",
    )  # fmt: skip
    assert code == 0
    figures: dict[str, Any] = json.loads(out)
    deals, equity = pd.read_csv(deals_file), pd.read_csv(equity_file)
    assert (figures["symbol"], figures["timeframe"], figures["bars"]) == ("EURUSD", "H1", 899)
    assert len(equity) == 899 - 10
    entries, exits = deals[deals.entry == "in"], deals[deals.entry == "out"]
    assert figures["trades"] == len(exits) > 30
    assert set(deals.commission) == {-0.35}
    money = deals[deals.position.isin(exits.position)]
    assert figures["net_profit"] == pytest.approx((money.profit + money.commission + money.swap).sum(), abs=0.006)
    bids = pd.read_csv(bars)
    last, close = entries.iloc[-1], bids.close.iloc[-2]
    still = last.position not in set(exits.position)
    spread = bids.spread.iloc[-2] * 1e-5
    floating = 0.1 * 100_000 * ((close - last.price) if last.side == "buy" else (last.price - close - spread)) if still else 0.0
    balance = 5_000 + (deals.profit + deals.commission + deals.swap).sum()
    assert figures["end_equity"] == pytest.approx(balance + floating, abs=5.0)  # the open position's swap is not booked yet
    peak = equity.equity.cummax()
    assert figures["drawdown_percent"] == pytest.approx(100 * ((peak - equity.equity) / peak).max(), abs=1e-3)
    results = money.groupby("position")[["profit", "commission", "swap"]].sum().sum(axis=1)
    assert figures["win_percent"] == pytest.approx(100 * (results > 0).mean(), abs=1e-3)
    assert figures["profit_factor"] == pytest.approx(results[results > 0].sum() / -results[results < 0].sum(), abs=1e-3)


def test_the_same_twice_is_the_same(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for name in ("one.csv", "two.csv"):
        assert replayed(capsys, "turtle_breakout", "--data", str(bars), "--deals", str(tmp_path / name))[0] == 0
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].count(b"\n") > 10


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--timeframe", "M5"], "bars of H1, which cannot make M5; use --timeframe H1"),
        (["--symbol", "GBPUSD"], "no recording of GBPUSD, only of EURUSD; use --symbol"),
        (["--fast", "0"], "fast must be at least 1"),
        (["--slow", "4000", "--fast", "2"], "warms up with 4001 closed H1 bars, the recording has 899"),
        (["--data", "NOSUCH=FILE"], "cannot be opened"),
        (["--deals", "nowhere/deals.csv"], "cannot write nowhere/deals.csv"),
    ],
)
def test_what_cannot_be_played_is_one_line(bars: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    code, out, err = replayed(capsys, "ma_crossover", "--data", str(bars), *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_files_that_do_not_belong_together(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*files: str) -> str:
        given = [word for file in files for word in ("--data", file)]
        code, _, err = replayed(capsys, "ma_crossover", *given)
        assert code == 2
        return err

    assert "overlaps in time with" in refused(str(bars), f"EURUSD={bars}")
    frame = pd.read_csv(bars)
    other = tmp_path / "EURUSD_M5.csv"
    frame.assign(time=frame.time + 90_000_000).to_csv(other, index=False)
    assert "its timeframe is not that of" in refused(str(bars), str(other))
    ticks = tmp_path / "EURUSD_ticks.csv"
    ticks.write_text("time_msc,bid,ask\n1704153600000,1.1,1.2\n")
    assert "ticks and bars of one symbol cannot be joined" in refused(str(bars), str(ticks))
    assert "the simulated broker has no symbol 'WHAT'" in refused(f"WHAT={bars}")


def test_holes_and_a_missing_spread_are_told(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(bars).drop(columns="spread")
    monday = (frame.time // 86_400 + 3) % 7 == 0
    file = tmp_path / "GBPUSD_H1.csv"
    frame[~monday | (frame.time % 86_400 < 3_600)].to_csv(file, index=False)
    code, out, err = replayed(capsys, "ma_crossover", "--data", str(file))
    assert code == 0
    assert "GBPUSD" in out
    assert "the file has no spread" in err
    assert "holes, weekends apart" in err
    assert "no spread" not in replayed(capsys, "ma_crossover", "--data", str(file), "--spread", "7")[2]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize(
    "file", ["replay/EURUSD_oanda_2014-05-02_NFP.csv.gz", "bars/EURUSD_M1_2025-11.parquet", "bars/USDJPY_H1.csv.gz"]
)
def test_real_recordings(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    if file.endswith("parquet"):
        pytest.importorskip("pyarrow")
    given = ["--timeframe", "M1"] if "replay" in file else []
    code, out, _ = replayed(capsys, "rsi_crossover", "--data", str(SHARED / file), *given, "--json")
    assert code == 0
    assert json.loads(out)["trades"] > 0
