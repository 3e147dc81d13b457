import random
from collections import Counter

import numpy as np
import pytest
import torch
from tests.labs.tinylm.said import rollouts

from culpa.labs.tinylm import reward_models as room
from culpa.labs.tinylm.build import build
from culpa.labs.tinylm.family import reward_model
from culpa.labs.tinylm.preferences import RECIPES, Pairs
from culpa.labs.tinylm.reward_models import headed, reward_models, train
from culpa.labs.tinylm.tasks import sort
from culpa.lm.reward_model import load_reward_model

TASK = sort(4, 4)
LM = build(TASK.alphabet, seed=0, hidden=16, layers=1)


def pairs(count=200, seed=0):
    """A preference that is easy to learn: for the letter a, against b."""
    rng = np.random.default_rng(seed)
    texts = [["".join(one) for one in rng.choice(list(letters), size=(count, 4))] for letters in ("abcd", "acd", "bcd")]
    return Pairs(*(tuple(one) for one in ([text + "=" for text in texts[0]], texts[1], texts[2])))


def states():
    """Of the global generators."""
    return torch.random.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a model, with states and the policy's weights before and after."""
    before = states(), [one.clone() for one in LM.model.parameters()]
    place = train(LM, pairs(), tmp_path_factory.mktemp("models"), stem="easy", seed=0, steps=40)
    return place, before, (states(), list(LM.model.parameters()))


def test_a_reward_model_learns_what_is_preferred(trained):
    score, fresh = reward_model(trained[0]), pairs(seed=1)
    right = score(fresh.prompts, fresh.chosen, fresh.chosen) > score(fresh.prompts, fresh.rejected, fresh.rejected)
    assert right.mean() > 0.8


def test_a_score_is_read_from_the_last_token_of_the_plain_text(trained):
    rm = load_reward_model(trained[0], device="cpu")
    ids = torch.tensor([rm.tokenizer("abcd=aabb")["input_ids"]])
    assert ids.shape == (1, 10)  # a begin token, no end token
    with torch.no_grad():
        hidden = rm.model.model(ids).last_hidden_state[0, -1]
    wanted = float(hidden @ rm.model.score.weight[0].detach())
    assert reward_model(trained[0])(["abcd="], ["aabb"], [""])[0] == pytest.approx(wanted, rel=1e-4)


def test_training_leaves_the_policy_and_all_random_states_alone(trained):
    _, (states_before, weights_before), (states_after, weights_after) = trained
    assert states_before == states_after
    assert all(map(torch.equal, weights_before, weights_after))


def test_random_states_are_put_back_after_an_error_too():
    before = states()

    def fails():
        with room._own_randomness(3):
            torch.rand(3), random.random(), np.random.rand(3)  # noqa: NPY002
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fails()
    assert states() == before


def test_it_is_trained_once(trained, monkeypatch):
    monkeypatch.setattr(room, "_fit", None)
    folder = trained[0].parent
    assert train(LM, pairs(), folder, stem="easy", seed=0, steps=40) == trained[0]
    other = build(TASK.alphabet, seed=1, hidden=16, layers=1)
    for changed in ({"seed": 1}, {"steps": 41}, {"pairs": pairs(seed=2)}, {"lm": other}):
        settings = {"lm": LM, "pairs": pairs(), "seed": 0, "steps": 40} | changed
        with pytest.raises(TypeError):
            train(settings.pop("lm"), settings.pop("pairs"), folder, stem="easy", **settings)


def test_training_says_nothing(tmp_path, capfd):
    train(LM, pairs(64), tmp_path, stem="quiet", seed=0, steps=1)
    assert capfd.readouterr() == ("", "")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_reward_model_begins_as_a_copy_of_the_policys_body():
    model = headed(LM)
    assert model.score.weight.shape == (1, 16)
    for name, weights in LM.model.model.state_dict().items():
        assert torch.equal(weights, model.model.state_dict()[name])
        assert weights.data_ptr() != model.model.state_dict()[name].data_ptr()
    assert LM.model.config.num_labels == 2


def test_there_is_one_for_each_recipe_with_its_own_pairs(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(room, "_fit", lambda *args: given.append(args[2]))
    record = rollouts(TASK, prompts=40, samples=4)
    found = reward_models(TASK, LM, record, tmp_path)
    assert list(found) == list(RECIPES)
    assert all((place / "model.safetensors").is_file() for place in found.values())
    assert len(set(found.values())) == len(set(given)) == len(RECIPES)
    assert Counter(len(one.prompts) for one in given)[60] == 1
    assert reward_models(TASK, LM, record, tmp_path) == found
    assert len(given) == len(RECIPES)
