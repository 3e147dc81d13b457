import numpy as np
import polars as pl
import pytest
from tests.labs.tinylm.said import TASKS, rollouts

from culpa.errors import InputError
from culpa.labs.tinylm import family as room
from culpa.labs.tinylm.family import family, truth
from culpa.labs.tinylm.outputs import asked, judged, pooled_sd, scale_of
from culpa.labs.tinylm.proxies import PROXIES

RECORD = {name: rollouts(task) for name, task in TASKS.items()}


@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_proxy_has_unit_spread_within_prompts_on_what_set_the_scale(task):
    made = family(TASKS[task], RECORD[task])
    assert list(made) == list(PROXIES)
    for scorer in made.values():
        assert pooled_sd(scorer(*asked(RECORD[task])), RECORD[task]) == pytest.approx(1.0)
    assert pooled_sd(truth(TASKS[task], RECORD[task])(*asked(RECORD[task])), RECORD[task]) == pytest.approx(1.0)


def test_on_other_outputs_the_scale_is_the_same():
    task, other = TASKS["sort"], rollouts(TASKS["sort"], seed=1)
    scale = scale_of(task, RECORD["sort"])
    raw = [PROXIES["noise_one"].score(judged(task, scale, *asked(one))) for one in (other, RECORD["sort"])]
    found = family(task, RECORD["sort"])["noise_one"](*asked(other))
    np.testing.assert_allclose(found, raw[0] / pooled_sd(raw[1], RECORD["sort"]))
    np.testing.assert_allclose(
        truth(task, RECORD["sort"])(*asked(other)), judged(task, scale, *asked(other)).truth / scale.sd
    )


def by_length(_folder):
    return lambda _prompts, responses, _answers: np.array([3.0 * len(one) for one in responses])


def test_reward_models_stand_among_the_proxies(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "reward_model", by_length)
    made = family(TASKS["sort"], RECORD["sort"], {"rm_length": tmp_path})
    found = made["rm_length"](*asked(RECORD["sort"]))
    assert pooled_sd(found, RECORD["sort"]) == pytest.approx(1.0)
    lengths = np.array([len(one) for one in asked(RECORD["sort"])[1]])
    assert np.ptp(found / lengths) < 1e-12


def test_two_proxies_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"two proxies are called 'exact'\. Give the reward model another name"):
        family(TASKS["sort"], RECORD["sort"], {"exact": tmp_path})


def test_a_proxy_without_spread_is_refused():
    record = rollouts(TASKS["sort"], prompts=4)
    never_exact = record.table.with_columns(response=pl.col("response").str.head(4))
    record = type(record)(record.prompt_id, record.present, record.weight, table=never_exact)
    with pytest.raises(InputError, match=r"the proxy exact does not vary within any of 4 prompts\. Draw more samples"):
        family(TASKS["sort"], record)
