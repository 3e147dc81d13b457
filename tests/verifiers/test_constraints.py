"""The twelve constraints: for each what satisfies it and what does not, at the edge of its rule."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culpa.errors import InputError
from culpa.verifiers import CONSTRAINTS, credit, satisfied
from culpa.verifiers.counting import NAMES, PRONOUNS
from culpa.verifiers.text import sentences, words
from culpa.verifiers.verbs import is_verb

THIRTEEN = " ".join(str(number) for number in range(13))
HOLDS = {
    "count:numbers": [
        THIRTEEN,
        THIRTEEN.replace("3", "3.5"),
        THIRTEEN.replace("4", "1,000,000.25"),
        "1," * 13,
        "v2 " * 13,
    ],
    "count:person_names": ["Emma, Liam, Noah, Ava, Mia, Leo and Zoe.", " ".join(NAMES)],
    "count:pronouns": [
        "I saw you; she saw it, and they left.",
        "he/she/it/we/you",
        "It's what I'd call mine, isn’t it?",
    ],
    "count:punctuation": ["Oh, what?! Yes; no: so! Is it? Fine.", "‽ . , ! ? ; :", "!? .,!?;:", ".,!?;: ?!"],
    "custom:multiples": ["14, 21, 28, 35, 42, 49", "14,21,28,35,42,49", "Fourteen is 14; then\n21\n28\n35\n42\n49."],
    "format:newline": ["One\ntwo\nthree", "One,\n\n  two  \n--\nthree!", "word"],
    "format:quotes": [
        "'x \"y 'z' w\" and \"v\" u'",
        '"He said \'she said "no" to me\' again."',
        "'a \"b 'c' d\" e'",
        "“He said ‘she said “no” to me’ again.”",
        '"I don\'t \'like "that" one\' much"',
        '\' stray "one \'two "three" four\' five"',
    ],
    "sentence:increment": ["Yes. " + "Now we have six words here. " + "w " * 11 + ".", "A b. A b c d e f g!"],
    "words:alphabet": ["Yes, zebras always bite.", "A big cat", "x Y z a", "(a) 'b' c"],
    "words:last_first": ["I like tea. Tea is hot. Hot!", "One. One? One!", "See Rome.\nRome, too"],
    "words:repeats": ["the " * 10, "A a, A. a! " * 2 + "b " * 10, "word"],
    "words:start_verb": [
        "Make tea.",
        "**Consider** this",
        "Stopped there",
        "Tries",
        "Is it?",
        "'Running' late",
        "TAKE it",
    ],
}
FAILS = {
    "count:numbers": [THIRTEEN + " 13", THIRTEEN[:-2], "none", "1,000 " * 12],
    "count:person_names": [
        "Emma, Liam, Noah, Ava, Mia and Leo.",
        "Emma " * 9,
        "emma liam noah ava mia leo zoe",
        "Emmas Liams Noahs Avas Mias Leos Zoes",
    ],
    "count:pronouns": ["I saw you; she saw it.", "Cats sleep all day.", "iron hermit item weep your-self"],
    "count:punctuation": [
        "Oh, what?! Yes; no: so! Fine.",
        "Oh, what?! Yes; no: is it? Fine.",
        ".,!?;:",
        "‽ . , ! ? ;",
        ".,;:?!",
    ],
    "custom:multiples": [
        "7 14 21 28 35 42 49",
        "14 21 28 35 42",
        "49 42 35 28 21 14",
        "14 21 28 35 42 49 56",
        "14.5 21 28 35 42 49",
        "fourteen",
    ],
    "format:newline": ["One two", "One\ntwo three\n", "one\n \ntwo three", "--", "a b\n\n\n\nc"],
    "format:quotes": [
        "\"He said 'no' again.\"",
        '"a" \'b\' "c"',
        '"a \'b "c"',
        "don't can't won't isn't",
        "'a 'b 'c'",
        "no",
    ],
    "sentence:increment": ["Yes.", "Yes. Yes.", "One. Two words here now so.", "w w w w w w. w."],
    "words:alphabet": ["A cat", "A b d", "Alone", "a 2b c", "B a", "é f", "z z"],
    "words:last_first": ["I like tea. It is hot.", "Tea.", "I like tea. Tea is hot. Not so.", "Tea is hot. Tea"],
    "words:repeats": ["the " * 11, "The, the. " * 5 + "THE", "a b " * 11],
    "words:start_verb": ["The tea", "Tea made", "King of", "42", "Beds", "Ring-fenced?"],
}


def test_every_constraint_has_both_outcomes():
    assert set(HOLDS) == set(FAILS) == set(CONSTRAINTS)
    assert len(CONSTRAINTS) == 12


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in HOLDS.items() for text in texts])
def test_it_holds(name, text):
    assert satisfied(text, [name]) == [True]
    assert credit(text, [name]) == 1.0


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FAILS.items() for text in texts])
def test_it_does_not_hold(name, text):
    assert satisfied(text, [name]) == [False]
    assert credit(text, [name]) == 0.0


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_satisfies_nothing(name, text):
    assert satisfied(text, [name]) == [False]


@pytest.mark.parametrize(
    ("name", "n", "holds", "fails"),
    [
        ("count:numbers", 2, "1 and 2", "1"),
        ("count:person_names", 1, "Ava", "Avas"),
        ("count:pronouns", 1, "It rains", "Rain"),
        ("sentence:increment", 1, "One. Two words.", "One. Two."),
        ("words:repeats", 1, "a b", "a a"),
    ],
)
def test_other_numbers(name, n, holds, fails):
    assert satisfied(holds, [name], {name: n}) == [True]
    assert satisfied(fails, [name], {name: n}) == [False]


def test_partial_credit_is_the_share_that_holds():
    names = ["words:start_verb", "count:numbers", "words:repeats"]
    assert credit("Make tea.", names, partial=True) == pytest.approx(2 / 3)
    assert credit("Make tea.", names) == 0.0
    assert credit("", names, partial=True) == 0.0
    assert satisfied("Make tea.", names) == [True, False, True]


@given(st.lists(st.sampled_from(["one", "Two!", "three,"]), min_size=1, max_size=30))
def test_repeats_against_a_plain_count(parts):
    clean = [part.strip("!,").lower() for part in parts]
    most = max(clean.count(one) for one in clean)
    assert satisfied(" ".join(parts), ["words:repeats"], {"words:repeats": most}) == [True]
    assert satisfied(" ".join(parts), ["words:repeats"], {"words:repeats": most - 1}) == [False]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(-3, 6))
def test_increments_against_the_counts(counts, n):
    text = " ".join("word " * (count - 1) + "end." for count in counts)
    wanted = len(counts) > 1 and all(other - one == n for one, other in pairwise(counts))
    assert satisfied(text, ["sentence:increment"], {"sentence:increment": n}) == [wanted]


@given(st.integers(0, 25), st.integers(2, 60))
def test_any_row_of_letters_loops(start, count):
    letters = [chr(97 + (start + number) % 26) + "xy" for number in range(count)]
    assert satisfied(" ".join(letters), ["words:alphabet"]) == [True]
    assert satisfied(" ".join([*letters[:-1], letters[0] if count != 27 else "q"]), ["words:alphabet"]) == [
        (count - 1) % 26 == 0 and count != 27
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four… five", ["One.", "Two!", "Three?", "Four…", "five"]),
        ("He said \"no.\" Then left.", ["He said \"no.\"", "Then left."]),
        ("Dr. A. Smith paid 3.50. Fine", ["Dr. A. Smith paid 3.50.", "Fine"]),
        ("So do I. Yes.", ["So do I.", "Yes."]),
        ("Cats,\ne.g. Tom. ... !", ["Cats, e.g. Tom."]),
        ("What?! Yes", ["What?!", "Yes"]),
        ("see example.com now", ["see example.com now"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text, parts):
    assert sentences(text) == parts


def test_words_lose_their_punctuation_at_the_ends_only():
    assert words("(Well-known) -- “It’s” 3.5!") == ["well-known", "it’s", "3.5"]


FORMS = "make makes made making planned planning tries tried goes using used passes dying"


@pytest.mark.parametrize("word", FORMS.split())
def test_forms_of_verbs(word):
    assert is_verb(word)


@pytest.mark.parametrize("word", ["", "s", "ed", "ing", "tea", "king", "bed", "thing", "the", "was-not", "makingly"])
def test_what_is_no_verb(word):
    assert not is_verb(word)


def test_lists_are_as_long_as_said():
    assert len(NAMES) == len(set(NAMES)) == 50
    assert {"i", "themselves", "whichever", "one"} <= PRONOUNS


@pytest.mark.parametrize(
    ("names", "numbers", "text"),
    [
        (["nope"], {}, "no constraint is called 'nope'. Known: count:numbers, count:person_names,"),
        (["words:alphabet"], {"words:alphabet": 3}, "words:alphabet has no number to set. Those with one: count"),
    ],
)  # fmt: skip
def test_wrong_names(names, numbers, text):
    with pytest.raises(InputError) as error:
        satisfied("x", names, numbers)
    assert text in str(error.value)


def test_credit_for_nothing_is_refused():
    with pytest.raises(InputError) as error:
        credit("x", [])
    assert str(error.value) == "credit for no constraint is not defined. Name one or more."
