"""Features of a text that need no model: counts of its character n-grams and of its words, hashed straight to slots."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError, shorten

Texts = Sequence[str | None] | pl.Series
Floats = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

DIMS = 512
LENGTH = 20_000  # characters of a text that are read
_BLOCK = 1 << 16  # characters worked on together: their hashes stay in the cache
_PER_TEXT = 64  # what a text counts for beside its characters, so that a block of empty texts is bounded too
_NOT_WORD = r"\W+"  # linear-time regular expression, Unicode's word characters
_BITS = np.uint64(21)  # a code point plus one fits: three of them fit a hash without loss
_HALF = np.uint64(32)
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(0xC2B2AE3D27D4EB4F))


def ngram_counts(texts: Texts, dims: int = DIMS) -> Floats:
    """How often the n-grams of each text occur, thrown into slots by a hash, (n, dims).

    slots [0, dims // 2)      characters: each one, each two and each three in a row, as they stand
    slots [dims // 2, dims)   words (runs of letters, digits and _, lower-cased) and each two words in a row

    Counts of n-grams that share a slot add up. Whole numbers, exact in float32. A text of None has zeros, as an empty
    one. Only the first 20,000 characters of a text are read. The hash is arithmetic on code points modulo 2^64: the
    same in every process and on every platform. Reference: Weinberger et al., arXiv 0902.2206 (without their signs).

    >>> ngram_counts(["to be or not to be", "", None]).sum(axis=1).tolist()  # 18 + 17 + 16 characters, 6 + 5 words
    [62.0, 0.0, 0.0]
    >>> np.array_equal(*ngram_counts(["Aß", "aß"])[:, 256:])  # as words
    True
    """
    if dims < 2:
        raise InputError(f"got {dims} dimensions for the n-grams.", remedy="Use at least 2: characters and words.")
    series = _series(texts)
    counts: Floats = np.zeros((len(series), dims), dtype=np.float32)
    half = dims // 2
    for rows in _blocks(series.str.len_chars().fill_null(0).to_numpy()):
        block = series[rows].fill_null("").str.slice(0, LENGTH)
        counts[rows, :half] = _binned(_character_hashes(block), len(block), half)
        counts[rows, half:] = _binned(_word_hashes(block), len(block), dims - half)
    return counts


def ngram_shares(texts: Texts, dims: int = DIMS) -> Floats:
    """Square roots of the shares that the slots of `ngram_counts` have in all n-grams of a text, (n, dims).

    sqrt(counts / sum over slots of counts): a row has length 1, that of an empty text 0.

    A text repeated twice has nearly the same row, and one long text cannot outweigh all others.

    Kept by measuring: 14 proxies of a world of short texts, trained exactly with the features that its texts are made
    of (six such runs: content and style, or style alone, with and without a part of each output's own; mean KL .4 or
    1; with and without division by the spread), three draws of the rollouts. Mean Spearman of the gradient cosine
    with the true reward at the end, in 512 slots: raw counts .72, log(1 + count) or root .76, presence .75, share
    .79, root of the share .78; the world's own features .79. Draws differ by .03, so the choice between share and
    root is one of principle: the root keeps rare n-grams from drowning in spaces and vowels. Signed hashing moved
    nothing beyond .01 (raw .72, log .76, share .79), nor did equal weight for words and characters (.78) or the
    logarithm of the length as one more feature (.77 to .78 at small weight, .70 at large). Slots: 64 .73, 128 .75,
    256 .78, 1024 .79, 4096 .77.

    >>> np.linalg.norm(ngram_shares(["to be", ""]), axis=1).round(6).tolist()
    [1.0, 0.0]
    """
    counts = ngram_counts(texts, dims)
    counts /= np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return np.sqrt(counts, out=counts)


def _blocks(lengths: npt.NDArray[np.uint32]) -> Iterator[slice]:
    """Texts that are worked on together."""
    block = np.cumsum(lengths.astype(np.int64) + _PER_TEXT) // _BLOCK
    starts = [0, *(np.flatnonzero(np.diff(block)) + 1), len(lengths)]
    return (slice(int(a), int(b)) for a, b in pairwise(starts) if a < b)


def _character_hashes(block: pl.Series) -> tuple[Hashes, Indices]:
    """Of every one, two and three characters in a row of the same text: the hash, and the text's row."""
    code, row = _code_points(block)
    code += np.uint64(1)
    pair = code[:-1] | code[1:] << _BITS
    triple = pair[:-1] | code[2:] << _BITS + _BITS
    two, three = row[:-1] == row[1:], row[:-2] == row[2:]
    return np.concatenate([code, pair[two], triple[three]]), np.concatenate([row, row[:-1][two], row[:-2][three]])


def _word_hashes(block: pl.Series) -> tuple[Hashes, Indices]:
    """Of every word and every two words in a row of the same text."""
    # A space before every text: each word follows a space, and no word runs over from one text to the next.
    code, row = _code_points(" " + block.str.to_lowercase().str.replace_all(_NOT_WORD, " "))
    space = code == ord(" ")
    start = np.flatnonzero(space[:-1] & ~space[1:]) + 1
    place = np.arange(len(code)) - np.repeat(np.r_[0, start], np.diff(np.r_[0, start, len(code)]))
    letters = np.where(space, np.uint64(0), _mixed(code) * _powers(int(place.max()) + 1)[place])
    word, row = np.add.reduceat(letters, start), row[start]
    two = row[:-1] == row[1:]
    pair = _mixed(word[:-1]) + _ODD[2] * word[1:]
    return np.concatenate([word, pair[two]]), np.concatenate([row, row[:-1][two]])


def _powers(count: int) -> Hashes:
    return np.cumprod(np.full(count, _ODD[2]), dtype=np.uint64)


def _code_points(block: pl.Series) -> tuple[Hashes, Indices]:
    joined = str(block.str.join("").item())
    code = np.frombuffer(joined.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    return code, np.repeat(np.arange(len(block)), block.str.len_chars().to_numpy())


def _mixed(value: Hashes) -> Hashes:
    value = value * _ODD[0]
    value ^= value >> _HALF
    value *= _ODD[1]
    return value


def _binned(hashed: tuple[Hashes, Indices], rows: int, slots: int) -> Floats:
    value, row = hashed
    slot = _mixed(value) >> _HALF
    slot *= np.uint64(slots)
    slot >>= _HALF
    counts = np.bincount(row * slots + slot.astype(np.int64), minlength=rows * slots)
    return counts.reshape(rows, slots).astype(np.float32)


def _series(texts: Texts) -> pl.Series:
    try:
        series = texts if isinstance(texts, pl.Series) else _from_sequence(texts)
    except TypeError as error:
        raise InputError(f"texts must be strings or None: {shorten(error)}.", remedy="Convert them first.") from error
    if series.dtype not in (pl.String, pl.Null, pl.Categorical, pl.Enum):
        raise InputError(f"texts must be strings or null, got {series.dtype}.", remedy="Convert them first.")
    return series.cast(pl.String)


def _from_sequence(texts: Sequence[str | None]) -> pl.Series:
    """Half a surrogate pair has no UTF-8 form: it counts as a question mark."""
    try:
        return pl.Series("text", list(texts), dtype=pl.String)
    except UnicodeEncodeError:
        whole = [None if text is None else text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return pl.Series("text", whole, dtype=pl.String)
