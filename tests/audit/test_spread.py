"""Audits of files in parts: the verdict of the whole, whatever the engine."""

import numpy as np
import polars as pl
import pytest
from tests.audit.world import DEMO
from tests.rollouts.records import refused

import culpa
from culpa.audit import Settings
from culpa.audit import sums as sums_module
from culpa.engines import Local, Spread, spread
from culpa.predictors import Subsample
from culpa.predictors.spread import sample_of
from culpa.predictors.subsample import subsample
from culpa.rollouts import Options, cut, read
from culpa.rollouts.select import select

QUICK = Settings(replicates=100, repeat=2)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(cut, "LEAST", 300)


def some():
    rows = pl.read_parquet(DEMO)
    return rows.filter(pl.col("prompt_id").is_in(rows["prompt_id"].unique(maintain_order=True)[:60].implode()))


def test_parts_are_the_whole():
    source = spread(DEMO)
    assert len(source.parts) > 3
    parts, whole = culpa.audit(source, settings=QUICK), culpa.audit(culpa.read(DEMO), settings=QUICK)
    assert parts.ranking.equals(whole.ranking)
    assert parts.outlook.errors.equals(whole.outlook.errors)  # texts and all
    assert parts.relabel.equals(whole.relabel)
    tables = [
        one.metrics.filter(~pl.col("ruler") & (pl.col("metric").is_in(parts.metrics["metric"])))
        for one in (parts, whole)
    ]
    assert tables[0]["metric"].equals(tables[1]["metric"])
    numbers = [table.select(pl.col(pl.Float64)).to_numpy() for table in tables]
    np.testing.assert_allclose(*numbers, rtol=1e-9)
    assert parts.facts == whole.facts


@pytest.mark.slow
def test_processes_change_nothing():
    verdicts = [culpa.audit(spread(DEMO, engine=Local(number)), settings=QUICK) for number in (1, 2)]
    assert verdicts[0].to_json() == verdicts[1].to_json()


def test_bins_of_parts_are_bins_of_all(monkeypatch):
    monkeypatch.setattr(sums_module, "KEPT_VALUES", 20_000)
    parts = culpa.audit(spread(DEMO), metrics=["hacc"], settings=QUICK)
    chunks = culpa.audit(culpa.scan(DEMO, rows=200), metrics=["hacc"], settings=QUICK)
    assert parts.facts["binned"]
    assert parts.metrics["value"].to_list() == pytest.approx(chunks.metrics["value"].to_list())
    assert parts.metrics["low"].to_list() == pytest.approx(chunks.metrics["low"].to_list())


def test_a_prompt_in_two_parts_is_refused(tmp_path):
    first = some()
    for name in ("a", "b"):
        first.write_parquet(tmp_path / f"{name}.parquet")
    text = "the outputs of a prompt do not stand together, so the file cannot be read as a stream."
    for look in (lambda source: culpa.audit(source, settings=QUICK), sample_of):
        assert refused(look, spread(tmp_path)).startswith(text)


def test_an_empty_file_among_others_is_no_matter_and_nothing_is_an_error(tmp_path):
    rows = some()
    rows[:0].write_parquet(tmp_path / "a.parquet")
    rows.write_parquet(tmp_path / "b.parquet")
    assert culpa.audit(spread(tmp_path), metrics=["hacc"], settings=QUICK).facts["outputs"] == rows.height
    (tmp_path / "b.parquet").unlink()
    for look in (lambda source: culpa.audit(source, settings=QUICK), sample_of):
        assert refused(look, spread(tmp_path)) == (
            f"{tmp_path / 'a.parquet'}: there are no rows. Check that the run that wrote it got so far."
        )


@pytest.mark.parametrize("cells", [3, 50, 400, 100_000])
@pytest.mark.parametrize("known", [True, False])
def test_samples_of_parts_join_to_the_sample_of_all(cells, known):
    rollouts = read(DEMO)
    once = Subsample(cells, known=known)
    once.add(rollouts)
    for size in (7, 40):
        parts, joined = [], Subsample(cells, known=known)
        for start in range(0, rollouts.shape[0], size):
            parts.append(Subsample(cells, known=known))
            parts[-1].add(select(rollouts, range(start, min(start + size, rollouts.shape[0]))))
            joined.join(parts[-1])
        assert joined.seen == once.seen
        assert (joined.record is None) == (once.record is None)
        if once.record is not None:
            assert joined.record.prompt_id.tolist() == once.record.prompt_id.tolist()


def test_the_sample_of_parts_has_texts():
    record, over = sample_of(spread(DEMO), cells=200)
    whole = subsample(read(DEMO), 200)
    assert record.table["response"].to_list() == whole.table["response"].to_list()
    assert over == read(DEMO).shape[0] - whole.shape[0]


def test_progress_is_told():
    told = []
    source = spread(DEMO)
    culpa.audit(
        Spread(source.parts, tell=lambda done, total: told.append((done, total))), metrics=["hacc"], settings=QUICK
    )
    assert told == [(number, len(source.parts)) for number in range(1, len(source.parts) + 1)]


def test_text_that_was_read_is_not_read_again(monkeypatch):
    monkeypatch.setattr(cut.Part, "with_text", lambda _: pytest.fail("read again"))
    assert culpa.audit(spread(DEMO, options=Options()), settings=QUICK).outlook is not None
