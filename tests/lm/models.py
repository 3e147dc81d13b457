"""Tiny models, made on the spot."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from culpa.labs.tinylm.tokenizer import char_tokenizer
from culpa.lm.model import LanguageModel

LETTERS = "abcdefgh="


def llama(seed=0, *, hidden=32, scale=4.0, context=64):
    """A Llama whose next-token distributions are far from uniform."""
    tokenizer = char_tokenizer(LETTERS, context=context)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LanguageModel(_sharpened(LlamaForCausalLM, config, seed, scale), tokenizer)


def gpt2(seed=0):
    """Learned positions, tied embeddings: another family."""
    tokenizer = char_tokenizer(LETTERS)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64)
    config.eos_token_id = config.bos_token_id = tokenizer.eos_token_id
    return LanguageModel(_sharpened(GPT2LMHeadModel, config, seed, 5.0), tokenizer)


def _sharpened(kind, config, seed, scale):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config).eval()
    for name, weights in model.named_parameters():
        if weights.ndim == 2 and "wpe" not in name:
            weights.data *= scale
    return model
