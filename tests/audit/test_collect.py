"""One chunk to sums: blocks do not matter, and every prompt keeps its place."""

import numpy as np
import pytest
from tests.audit.world import drawn, record

from culpa.audit import collect as module
from culpa.audit.collect import collect
from culpa.rollouts.order import keys_of

RULER = {"len": np.tile(np.arange(6.0), (40, 1))}


@pytest.mark.parametrize("cells", [1, 50, 333, 1 << 20])
def test_block_size_changes_nothing(monkeypatch, cells):
    world = drawn(2, unknown=0.3)
    whole = collect(world, dict(world.proxies), RULER)
    monkeypatch.setattr(module, "_BLOCK_CELLS", cells)
    blocks = collect(world, dict(world.proxies), RULER)
    assert blocks.names == whole.names
    np.testing.assert_allclose(blocks.table, whole.table, rtol=1e-12, atol=1e-12)


def test_proxies_and_prompts_keep_their_order():
    world = record({"b": [[1.0, 1.0], [2.0, 2.0]], "a": [[3.0, 3.0], [4.0, 4.0]]})
    sums = collect(world, dict(world.proxies), {})
    assert sums.proxies == ("b", "a")
    assert sums.values["mean"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert np.array_equal(sums.key, keys_of(world.prompt_id))


def test_a_proxy_s_sums_do_not_depend_on_its_company():
    world = drawn(3, unknown=0.3)
    together = collect(world, dict(world.proxies), RULER)
    for place, (name, score) in enumerate(world.proxies.items()):
        alone = collect(world, {name: score}, RULER)
        np.testing.assert_allclose(alone.table[:, 0], together.table[:, place], rtol=1e-12, atol=1e-12)


def test_missing_verdicts_and_padding_are_told_apart():
    present = [[True, True, True], [True, False, False]]
    world = record({"a": [[1.0, np.nan, 2.0], [np.nan, 0.0, 0.0]]}, present=present)
    sums = collect(world, dict(world.proxies), {})
    assert sums.values["cells"].tolist() == [[3.0, 1.0]]
    assert sums.values["missing"].tolist() == [[1.0, 1.0]]
    assert sums.values["groups_scored"].tolist() == [[1.0, 0.0]]
