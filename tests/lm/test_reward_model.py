"""Reward models from their folders: what they are shown, what they say, and what is refused."""

import warnings

import numpy as np
import pytest
import torch
from tests.lm.classifiers import LETTERS, TEMPLATE, classifier, one_by_one, reward_model, tokenizer
from transformers import LlamaForCausalLM

from culpa.errors import InputError
from culpa.lm.reward_batches import Text, alone, masked, pooled, shared
from culpa.lm.reward_model import RewardModel, encode, load_reward_model, reward_scores, scorer, way_of

PROMPTS = ["sort dcba", "sort dcba", "sort dcba", "reverse this long prompt", "reverse this long prompt", "x"]
RESPONSES = ["abcd", "abdc is it", "a", "tpmorp gnol siht", "", "y"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("rm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier().float().save_pretrained(place)
        tokenizer(chat=True).save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("family", "way"),
    [("llama", shared), ("mistral", shared), ("gpt2", shared), ("bert", masked), ("roberta", masked), ("t5", alone)],
)
def test_the_way_of_a_model_is_found_by_trying(family, way):
    assert way_of(classifier(family)) is way


def test_a_model_whose_cache_cannot_be_shared_is_read_whole(monkeypatch):
    model = classifier()
    inner = type(model.model).forward

    def deaf(self, *args, past_key_values=None, **named):  # noqa: ARG001 - it keeps no cache
        return inner(self, *args, **named)

    monkeypatch.setattr(type(model.model), "forward", deaf)
    assert way_of(model) is pooled


def test_a_model_that_reads_otherwise_than_its_last_token_is_asked_itself(monkeypatch):
    model = classifier()
    inner = type(model).forward

    def first(self, *args, **named):
        found = inner(self, *args, **named)
        found.logits = self.score(self.model(named["input_ids"]).last_hidden_state)[:, 1]
        return found

    monkeypatch.setattr(type(model), "forward", first)
    assert way_of(model) is masked or way_of(model) is alone
    texts = [Text((5, 6, 7, 8)), Text((5, 9))]
    rm = RewardModel(model, tokenizer(), way_of(model))
    found = rm.way(model, texts, 100)
    with torch.inference_mode():
        truth = [float(model.score(model.model(torch.tensor([one.ids])).last_hidden_state)[0, 1, 0]) for one in texts]
    np.testing.assert_allclose(found, truth, rtol=1e-9)


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("batch_tokens", [1, 40, 16_384])
def test_scores_are_those_of_each_text_alone(chat, batch_tokens):
    rm = reward_model(chat=chat)
    found = reward_scores(rm, PROMPTS, RESPONSES, batch_tokens=batch_tokens)
    shown = [f"|u:{p}\n|a:{r}\n" if chat else p + r for p, r in zip(PROMPTS, RESPONSES, strict=True)]
    ids = [rm.tokenizer(text, add_special_tokens=not chat)["input_ids"] for text in shown]
    np.testing.assert_allclose(found.values, one_by_one(rm.model, ids), rtol=1e-9)
    assert found.reasons == [None] * 6
    assert found.tokens == sum(map(len, ids))
    assert len(set(found.values)) == 6


def test_a_score_does_not_depend_on_what_else_is_scored():
    rm = reward_model(chat=True)
    whole = reward_scores(rm, PROMPTS, RESPONSES).values
    for row in range(6):
        np.testing.assert_allclose(
            reward_scores(rm, PROMPTS[row : row + 1], RESPONSES[row : row + 1]).values, whole[row]
        )


def test_the_pad_token_is_never_looked_for():
    """Scores are the same whatever the model believes its pad token to be, and whatever the text ends in."""
    found = []
    for pad in (None, 2, 5, 6):
        model = classifier()
        model.config.pad_token_id = pad
        rm = RewardModel(model, tokenizer(), way_of(model))
        found.append(reward_scores(rm, PROMPTS + ["ab"] * 2, [*RESPONSES, "cb", "ccbbb"]).values)
    assert np.array(found).std(axis=0).max() < 1e-12


def test_without_the_template_on_request():
    rm = reward_model(chat=True)
    plain = RewardModel(rm.model, tokenizer(), rm.way)
    without = reward_scores(rm, PROMPTS, RESPONSES, chat=False).values
    np.testing.assert_array_equal(without, reward_scores(plain, PROMPTS, RESPONSES).values)
    assert np.abs(without - reward_scores(rm, PROMPTS, RESPONSES).values).max() > 1e-3


def test_encoders_are_given_prompt_and_response_as_a_pair():
    rm = reward_model("bert")
    texts = encode(rm, ["ab"], ["cd"])
    assert texts[0].ids == tuple(rm.tokenizer("ab", "cd")["input_ids"])
    assert texts[0].types == tuple(rm.tokenizer("ab", "cd").get("token_type_ids", ()))


def test_equal_texts_are_read_once():
    rm, seen = reward_model(), []
    counting = RewardModel(rm.model, rm.tokenizer, lambda *of: seen.append(len(of[1])) or rm.way(*of))
    counted = reward_scores(counting, ["a", "b", "a"], ["c", "c", "c"]).values
    assert seen == [2]
    assert counted[0] == counted[2] != counted[1]


def test_an_output_too_long_for_the_model_has_no_score_and_the_others_have():
    rm = reward_model(context=20)
    found = reward_scores(rm, ["a" * 9] * 3, ["b" * 10, "b" * 11, "b"])
    assert found.reasons == [None, "too long: 21 tokens, the model takes 20", None]
    assert np.isnan(found.values).tolist() == [False, True, False]
    np.testing.assert_allclose(found.values[2], reward_scores(rm, ["a" * 9], ["b"]).values[0])


def test_a_text_without_tokens_has_no_score():
    rm = reward_model()
    rm.tokenizer.add_bos_token = False
    bare = RewardModel(rm.model, lambda texts, **_: {"input_ids": [[] if not one else [5] for one in texts]}, rm.way)
    found = reward_scores(bare, ["", "a"], ["", "b"])
    assert found.reasons == ["no tokens", None]
    assert np.isnan(found.values).tolist() == [True, False]


def test_what_is_not_finite_is_no_score():
    rm = reward_model()
    ill = RewardModel(rm.model, rm.tokenizer, lambda *_: np.array([np.nan, np.inf, 1.0]))
    found = reward_scores(ill, ["a"] * 3, ["b", "c", "d"])
    assert found.reasons == ["not finite", "not finite", None]


def test_of_several_numbers_the_first_counts():
    rm = reward_model(labels=3)
    ids = [text.ids for text in encode(rm, PROMPTS, RESPONSES)]
    np.testing.assert_allclose(reward_scores(rm, PROMPTS, RESPONSES).values, one_by_one(rm.model, ids), rtol=1e-9)


def test_a_folder_is_loaded_as_it_was_saved(folder, capfd):
    rm = load_reward_model(folder, device="cpu")
    assert rm.way is shared
    assert rm.tokenizer.chat_template == TEMPLATE
    model = classifier().float()
    truth = reward_scores(RewardModel(model, tokenizer(chat=True), pooled), PROMPTS, RESPONSES)
    found = scorer(rm, batch_tokens=64)(PROMPTS, RESPONSES, None)
    np.testing.assert_allclose(found.values, truth.values, atol=1e-5)
    assert capfd.readouterr().err == ""


def test_a_policy_is_no_reward_model(tmp_path):
    config = classifier().config
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"no trained weights for score\.weight: it is no reward model\. Give a model"):
        load_reward_model(tmp_path, device="cpu")


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no such folder\. Name the folder of a model"):
        load_reward_model(tmp_path / "nowhere")


def test_a_broken_template_is_refused():
    rm = reward_model(chat=True)
    rm.tokenizer.chat_template = "{{ raise_exception('no assistants') }}"
    with pytest.raises(InputError, match=r"chat template cannot be used \(no assistants\)\. Mend it, or .*--no-chat"):
        reward_scores(rm, ["a"], ["b"])


def test_batches_hold_a_token():
    with pytest.raises(InputError, match=r"at least 1 token, got 0\. 2048 is usual"):
        scorer(reward_model(), batch_tokens=0)


def test_the_alphabet_is_the_tokenizers():
    assert len(tokenizer()) <= 40
    assert set("".join(PROMPTS + RESPONSES)) <= set(LETTERS)
