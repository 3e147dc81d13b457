import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from culpa.errors import InputError
from culpa.labs.tinylm.tokenizer import SPECIAL, char_tokenizer

ALPHABET = "abz 019\n\t.,=>[]{}()é"
TOKENIZER = char_tokenizer(ALPHABET)
TEXTS = st.text(alphabet=ALPHABET, max_size=12)


def decoded(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_text_comes_back_and_has_a_token_for_each_character(text):
    ids = TOKENIZER(text)["input_ids"]
    assert decoded(TOKENIZER, ids) == text
    assert ids == [TOKENIZER.bos_token_id, *(len(SPECIAL) + ALPHABET.index(c) for c in text)]


def test_a_prompt_begins_once_and_does_not_end():
    ids = TOKENIZER("ab")["input_ids"]
    assert ids.count(TOKENIZER.bos_token_id) == 1
    assert TOKENIZER.eos_token_id not in ids
    assert set(TOKENIZER("ab")) == {"input_ids", "attention_mask"}


def test_every_special_token_has_an_id_of_its_own():
    ids = [TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id, TOKENIZER.unk_token_id]
    assert ids == [0, 1, 2, 3]
    assert len(TOKENIZER) == 4 + len(ALPHABET)


def test_a_character_outside_the_alphabet_is_unknown():
    assert TOKENIZER("a?b")["input_ids"][2] == TOKENIZER.unk_token_id


def test_padding_is_on_the_left():
    assert TOKENIZER(["a", "ab"], padding=True)["input_ids"][0][0] == TOKENIZER.pad_token_id


def test_a_saved_tokenizer_is_the_same(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    found = AutoTokenizer.from_pretrained(tmp_path)
    text = "a \nb"
    assert found(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    assert decoded(found, found(text)["input_ids"]) == text
    assert (found.padding_side, found.model_max_length, found.eos_token) == ("left", 64, "<eos>")


@pytest.mark.parametrize(
    ("alphabet", "says"),
    [("", "the alphabet is empty"), ("aba", "has 'a' twice. Name each character once"), ("a<", "has '<', with which")],
)
def test_an_alphabet_that_cannot_be_used_is_refused(alphabet, says):
    with pytest.raises(InputError, match=says):
        char_tokenizer(alphabet)
