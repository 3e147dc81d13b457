"""A Llama-type model small enough to train on one core, built from its config."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from culpa.errors import InputError
from culpa.labs.tinylm.tokenizer import char_tokenizer
from culpa.lm.model import LanguageModel


def build(
    alphabet: str, *, seed: int, hidden: int = 64, layers: int = 2, heads: int = 4, context: int = 64
) -> LanguageModel:
    """A new model for texts of the alphabet, with random weights, in float32 on the CPU.

    Inner width 4 x hidden; input and output embeddings are separate. With the defaults 131,392 + 128 x vocabulary
    parameters. Weights start as normal numbers of sd .1 (with the usual .02 so small a model stays long at its first
    plateau). They depend on the seed and the shape alone; torch's global random state is as it was before.

    >>> lm = build("ab=", seed=0, hidden=16, layers=1)
    >>> sum(weights.numel() for weights in lm.model.parameters())
    4368
    """
    if hidden % heads or hidden // heads % 2:
        problem = f"hidden = {hidden} does not split into {heads} heads of even width."
        raise InputError(problem, remedy="Make hidden a multiple of twice the number of heads.")
    tokenizer = char_tokenizer(alphabet, context=context)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return LanguageModel(model=model.eval(), tokenizer=tokenizer)
