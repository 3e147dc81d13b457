"""Hashed n-grams: every count is in the slot that the slow way finds, wherever texts stand and blocks are cut."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.rollouts.records import refused

from culpa.predictors import ngrams
from culpa.predictors.ngrams import LENGTH, ngram_counts, ngram_shares

WORD = 2**64
ODD = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xC2B2AE3D27D4EB4F)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text("ab AB_1.-\n", max_size=30)
TEXTS = st.lists(st.none() | TEXT, max_size=8)
HARD = [
    "",
    " ",
    None,
    "a",
    " a",
    "a ",
    "Straße ÉTÉ",
    "שלום עולם",
    "नमस्ते दुनिया",
    "日本語です",
    "\U0010ffff\U0010ffff\U0010ffff",
    "\0\0",
]


def mixed(value):
    value = value * ODD[0] % WORD
    return (value ^ value >> 32) * ODD[1] % WORD


def slot(value, slots):
    return (mixed(value) >> 32) * slots >> 32


def grams(text):
    """The n-grams as tuples: characters, and words as tuples of characters."""
    shown = (text or "")[:LENGTH]
    words = [tuple(word) for word in re.findall(r"\w+", shown.lower())]
    characters = [tuple(shown[i : i + n]) for n in (1, 2, 3) for i in range(len(shown) - n + 1)]
    return characters, [*words, *((one, two) for one, two in pairwise(words))]


def character_hash(gram):
    return sum((ord(letter) + 1) << 21 * place for place, letter in enumerate(gram))


def word_hash(gram):
    if isinstance(gram[0], tuple):
        return (mixed(word_hash(gram[0])) + ODD[2] * word_hash(gram[1])) % WORD
    return sum(mixed(ord(letter)) * pow(ODD[2], place + 1, WORD) for place, letter in enumerate(gram)) % WORD


def slow(texts, dims):
    half = dims // 2
    counts = np.zeros((len(texts), dims), dtype=np.float32)
    for row, text in enumerate(texts):
        characters, words = grams(text)
        for gram, count in Counter(characters).items():
            counts[row, slot(character_hash(gram), half)] += count
        for gram, count in Counter(words).items():
            counts[row, half + slot(word_hash(gram), dims - half)] += count
    return counts


# What a word is made of is not the same to Python's \w as to Unicode's (the vowel signs of Hindi, say): texts of all
# kinds are compared by their characters, words by texts in which the two agree.
@settings(max_examples=50, deadline=None)
@given(TEXTS, st.sampled_from([2, 3, 16, 512]))
@example(HARD, 512)
def test_characters_are_in_the_slots_of_the_slow_way(texts, dims):
    np.testing.assert_array_equal(ngram_counts(texts, dims)[:, : dims // 2], slow(texts, dims)[:, : dims // 2])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.text("abC ÄßД_1.-\n", max_size=30), max_size=8), st.sampled_from([2, 3, 16, 512]))
@example(
    ["", " ", None, "a", " a", "a ", " a b", "a\n\nb c-d", "Straße ÉTÉ", "שלום עולם", "日本語です", "x" * 300], 512
)
def test_words_are_in_the_slots_of_the_slow_way(texts, dims):
    np.testing.assert_array_equal(ngram_counts(texts, dims), slow(texts, dims))


def test_slots_are_the_same_on_every_machine():
    """Figures of record: whoever changes the hash changes every published score."""
    counts = ngram_counts(["The cat sat.", "日本"], 8)
    assert counts.tolist() == [[5, 16, 4, 8, 2, 0, 2, 1], [0, 1, 1, 1, 0, 1, 0, 0]]


@settings(max_examples=50, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_rows_follow_their_texts(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    np.testing.assert_array_equal(ngram_counts([texts[i] for i in order], 32), ngram_counts(texts, 32)[order])


@pytest.mark.parametrize("block", [1, 40, 300, 10**6])
def test_where_blocks_are_cut_says_nothing(block, monkeypatch):
    texts = [*HARD, "one two three" * 20, "four"] * 3
    whole = ngram_counts(texts)
    monkeypatch.setattr(ngrams, "_BLOCK", block)
    np.testing.assert_array_equal(ngram_counts(texts), whole)


def test_blocks_of_texts_are_bounded():
    lengths = np.random.default_rng(0).integers(0, 3000, 2000).astype(np.uint32)
    blocks = list(ngrams._blocks(lengths))
    np.testing.assert_array_equal(np.concatenate([np.arange(b.start, b.stop) for b in blocks]), np.arange(2000))
    assert max(int(lengths[block].sum()) for block in blocks) < ngrams._BLOCK + LENGTH
    assert max(b.stop - b.start for b in ngrams._blocks(np.zeros(10_000, dtype=np.uint32))) <= 1024


def test_each_text_alone_is_its_row():
    texts = ["one two", "two", "", "two three"]
    rows = np.concatenate([ngram_counts([text], 64) for text in texts])
    np.testing.assert_array_equal(ngram_counts(texts, 64), rows)


def test_a_series_is_as_good_as_a_list():
    texts = ["one", None, "two"]
    for series in (pl.Series(texts), pl.Series(texts, dtype=pl.Categorical)):
        np.testing.assert_array_equal(ngram_counts(series), ngram_counts(texts))
    assert ngram_counts(pl.Series([None, None])).tolist() == np.zeros((2, 512)).tolist()


def test_nothing_gives_no_rows():
    assert ngram_counts([]).shape == (0, 512)
    assert ngram_shares(pl.Series([], dtype=pl.String), 6).shape == (0, 6)


def test_counts_are_whole_and_exact():
    text = "ab " * 6000
    counts = ngram_counts([text])
    assert counts.dtype == np.float32
    assert counts.sum() == 18_000 + 17_999 + 17_998 + 6_000 + 5_999
    assert (counts == np.round(counts)).all()


def test_no_more_than_the_first_characters_are_read():
    text = "".join(np.random.default_rng(0).choice(list("abcdef  "), LENGTH))
    np.testing.assert_array_equal(ngram_counts([text + "x" * 1000, text]), ngram_counts([text, text]))
    assert ngram_counts([text[:-1]])[:, :256].sum() == ngram_counts([text])[:, :256].sum() - 3


def test_no_n_gram_runs_over_from_one_text_to_the_next():
    half = 256
    assert ngram_counts(["a", "b", "c"])[:, :half].sum() == 3
    assert ngram_counts(["ab", "", "cd"])[:, :half].sum() == 6
    assert ngram_counts(["a b", "c"])[:, half:].sum(axis=1).tolist() == [3, 1]


def test_words_are_lower_case_and_characters_are_not():
    one, other = ngram_counts(["Éa", "éA"])
    assert (one[:256] != other[:256]).any()
    np.testing.assert_array_equal(one[256:], other[256:])


def test_white_space_and_marks_between_words_are_all_alike():
    one, other = ngram_counts(["one, two", " one\n\ntwo. "])
    np.testing.assert_array_equal(one[256:], other[256:])


@pytest.mark.parametrize(("one", "other"), [("tea", "eat"), ("a b", "b a"), ("ab", "a b"), ("aab", "abb")])
def test_order_matters_in_words(one, other):
    first, second = ngram_counts([one, other], 2**16)[:, 2**15 :]
    assert (first != second).any()


@pytest.mark.parametrize("kind", [0, 1])
def test_slots_are_filled_evenly(kind):
    """Chi-square of 60,000 different n-grams in 256 slots: 255 expected, standard deviation 22.6."""
    rng = np.random.default_rng(kind)
    if kind:
        words = {"".join(rng.choice(list("etaoinshrdlu"), 6)) for _ in range(20_000)}
        counts = sum(ngram_counts(list(words))[:, 256:])
    else:
        values = np.array(
            [
                character_hash((chr(a), chr(b), chr(d)))
                for a in range(97, 123)
                for b in range(97, 123)
                for d in range(32, 122)
            ]
        )
        counts = ngrams._binned((values.astype(np.uint64), np.zeros(len(values), dtype=np.int64)), 1, 256)[0]
    expected = counts.sum() / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * 22.6


def test_half_a_surrogate_pair_is_a_question_mark():
    np.testing.assert_array_equal(ngram_counts(["a\ud800b", None]), ngram_counts(["a?b", None]))


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_shares_are_roots_of_counts_over_their_sum(texts):
    counts, shares = ngram_counts(texts, 16), ngram_shares(texts, 16)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares**2 * counts.sum(axis=1, keepdims=True), counts, rtol=1e-5)
    np.testing.assert_allclose((shares**2).sum(axis=1), counts.any(axis=1), rtol=1e-5)


def test_refusals():
    assert refused(ngram_counts, ["a"], 1) == (
        "got 1 dimensions for the n-grams. Use at least 2: characters and words."
    )
    expected = "texts must be strings or null, got Int64. Convert them first."
    assert refused(ngram_counts, pl.Series([1, 2])) == expected
    assert refused(ngram_counts, ["a", 1]).startswith("texts must be strings or None: ")
