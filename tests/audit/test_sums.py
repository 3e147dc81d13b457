"""Sums of chunks are the sums of the whole, prompt by prompt or in bins."""

import subprocess
import sys

import numpy as np
import pytest
from tests.audit.world import cut, drawn

from culpa.audit import sums as module
from culpa.audit.collect import collect
from culpa.audit.sums import Sums, merge
from culpa.errors import InputError
from culpa.rollouts.order import keys_of


def sums_of(record):
    return collect(record, dict(record.proxies), {})


def made(table, first=0):
    """Sums with two names and one proxy of the given numbers (2, u)."""
    ids = np.array([f"id {first + number}" for number in range(len(table[0]))], dtype=object)
    return Sums(("a", "b"), np.array(table, dtype=float)[:, None], ("rm",), len(ids), keys_of(ids))


def test_chunks_side_by_side_are_the_whole():
    whole = drawn(0)
    expected, got = sums_of(whole), merge(map(sums_of, cut(whole, 7, 8, 30)))
    assert got.names == expected.names
    assert got.proxies == expected.proxies
    assert got.prompts == got.units == 40
    assert np.array_equal(got.key, expected.key)
    np.testing.assert_allclose(got.table, expected.table, rtol=1e-12, atol=1e-12)


def test_prompts_stay_in_their_order():
    merged = merge([made([[1, 2], [3, 4]]), made([[5], [6]], first=2)])
    assert merged.values["a"].tolist() == [[1, 2, 5]]
    assert merged.totals["b"].tolist() == [13]
    assert not merged.binned


def test_bins_hold_the_same_totals(monkeypatch):
    whole = drawn(0)
    exact = sums_of(whole)
    monkeypatch.setattr(module, "KEPT_VALUES", exact.table.size - 1)
    monkeypatch.setattr(module, "BINS", 8)
    binned = merge([exact])
    assert (binned.binned, binned.units, binned.prompts) == (True, 8, 40)
    for name, total in exact.totals.items():
        assert binned.totals[name] == pytest.approx(total, rel=1e-12, abs=1e-12)


def test_bins_do_not_depend_on_the_chunks(monkeypatch):
    whole = drawn(0)
    monkeypatch.setattr(module, "KEPT_VALUES", 100)
    monkeypatch.setattr(module, "BINS", 8)
    one, several = merge([sums_of(whole)]), merge(map(sums_of, cut(whole, 3, 20)))
    assert several.prompts == one.prompts
    assert np.array_equal(several.key, one.key)
    np.testing.assert_allclose(several.table, one.table, rtol=1e-12, atol=1e-12)


def test_a_bin_holds_the_prompts_of_its_hash(monkeypatch):
    monkeypatch.setattr(module, "KEPT_VALUES", 0)
    monkeypatch.setattr(module, "BINS", 4)
    part = made([[1, 2, 4, 8], [0, 0, 0, 0]])
    place = part.key % np.uint64(4)
    expected = [[float(sum(n for n, where in zip((1, 2, 4, 8), place, strict=True) if where == b)) for b in range(4)]]
    assert merge([part]).values["a"].tolist() == expected


def test_flat_and_named_are_each_other_s_way_back():
    part = sums_of(drawn(1))
    named = part.named(part.flat())
    assert part.flat().shape == (part.units, len(part.names) * len(part.proxies))
    for name, values in part.values.items():
        assert np.array_equal(named[name].T, values)


def test_keys_are_the_same_in_another_process():
    imports = "import numpy as np; from culpa.rollouts.order import keys_of"
    code = f"{imports}; print(keys_of(np.array(['a','ä'],object)).tolist())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(keys_of(np.array(["a", "ä"], dtype=object)).tolist())


def test_nothing_to_merge_is_refused():
    with pytest.raises(InputError, match=r"^there are no rollouts\. Give at least one record, or one chunk\.$"):
        merge([])


@pytest.mark.parametrize("kept", [0, 10**6])
def test_chunks_of_different_columns_are_refused(monkeypatch, kept):
    monkeypatch.setattr(module, "KEPT_VALUES", kept)
    other = Sums(("a", "c"), np.zeros((2, 1, 1)), ("rm",), 1, np.zeros(1, dtype=np.uint64))
    with pytest.raises(InputError) as error:
        merge([made([[1], [2]]), other])
    assert str(error.value) == (
        "the chunks do not hold the same columns: only some lead to b, c. "
        "Give every chunk a truth, lengths and texts, or none."
    )
