"""A tokenizer of single characters, made on the spot: no file, no hub."""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from culpa.errors import InputError, shorten

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")  # their ids are 0, 1, 2, 3


def char_tokenizer(alphabet: str, *, context: int = 64) -> PreTrainedTokenizerBase:
    """One token for each character of the alphabet, in its order, after the four special ones.

    encode(text) = <bos>, one token per character        no end token: a text is a prompt until somebody ends it

    decode(encode(text), skip_special_tokens=True) is the text again, spaces and line ends included, for every text of
    the alphabet. Any other character is <unk>. The pad id differs from the end id. Padding is on the left.

    >>> tokenizer = char_tokenizer("ab ")
    >>> tokenizer("a b")["input_ids"]
    [1, 4, 6, 5]
    >>> tokenizer.decode([1, 4, 6, 5, 2], skip_special_tokens=True)
    'a b'
    """
    _check(alphabet)
    names = [*SPECIAL, *alphabet]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", names.index("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _check(alphabet: str) -> None:
    if not alphabet:
        raise InputError("the alphabet is empty.", remedy="Give at least one character.")
    twice = sorted({c for c in alphabet if alphabet.count(c) > 1})
    if twice:
        raise InputError(f"the alphabet has {shorten(twice[0])!r} twice.", remedy="Name each character once.")
    if "<" in alphabet:
        raise InputError("the alphabet has '<', with which special tokens begin.", remedy="Use another character.")
