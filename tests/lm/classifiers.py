"""Tiny reward models of several families, made on the spot, with scores that spread."""

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Gemma2Config,
    Gemma2ForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForSequenceClassification,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForSequenceClassification,
)

from culpa.labs.tinylm.tokenizer import char_tokenizer
from culpa.lm.reward_model import RewardModel, way_of

LETTERS = "abcdefghijklmnopqrstuvwxyz =|:\n"
TEMPLATE = "{% for m in messages %}|{{ m['role'][0] }}:{{ m['content'] }}\n{% endfor %}"
DECODERS = ("llama", "mistral", "qwen2", "gemma2", "gpt2")
ENCODERS = ("bert", "roberta")


def classifier(family="llama", *, seed=0, labels=1, scale=3.0, context=256):
    """A model in float64 whose scores of different texts are far apart; its pad token is its end token."""
    sizes = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 4, "num_labels": labels}
    sizes |= {"max_position_embeddings": context, "pad_token_id": 2, "eos_token_id": 2, "bos_token_id": 1}
    gpt2 = {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4, "num_labels": labels, "pad_token_id": 2}
    t5 = {"vocab_size": 40, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    made = {
        "llama": lambda: LlamaForSequenceClassification(LlamaConfig(**sizes, num_key_value_heads=2)),
        "mistral": lambda: MistralForSequenceClassification(
            MistralConfig(**sizes, num_key_value_heads=2, sliding_window=5)
        ),
        "qwen2": lambda: Qwen2ForSequenceClassification(Qwen2Config(**sizes, num_key_value_heads=2)),
        "gemma2": lambda: Gemma2ForSequenceClassification(
            Gemma2Config(**sizes, num_key_value_heads=2, head_dim=8, sliding_window=5)
        ),
        "gpt2": lambda: GPT2ForSequenceClassification(
            GPT2Config(**gpt2, n_positions=context, eos_token_id=2, bos_token_id=1)
        ),
        "bert": lambda: BertForSequenceClassification(BertConfig(**sizes | {"pad_token_id": 0})),
        "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**sizes | {"pad_token_id": 1})),
        "t5": lambda: T5ForSequenceClassification(T5Config(**t5, num_labels=labels, pad_token_id=0, eos_token_id=1)),
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = made[family]().double().eval()
    for name, weights in model.named_parameters():
        if weights.ndim == 2 and "position" not in name and "wpe" not in name:
            weights.data *= scale
    return model


def tokenizer(*, chat=False, context=256):
    """Letters to tokens; the pad token is the end token, as with many reward models."""
    made = char_tokenizer(LETTERS, context=context)
    made.pad_token = made.eos_token
    if chat:
        made.chat_template = TEMPLATE
    return made


def reward_model(family="llama", *, chat=False, context=256, **how):
    model = classifier(family, context=context, **how)
    return RewardModel(model, tokenizer(chat=chat, context=context), way_of(model))


def one_by_one(model, rows):
    """What the model says of each text alone, read at the last token by hand: the oracle of the decoders."""
    found = []
    with torch.inference_mode():
        for ids in rows:
            hidden = getattr(model, model.base_model_prefix)(input_ids=torch.tensor([list(ids)])).last_hidden_state
            found.append(float(model.score(hidden)[0, -1, 0]))
    return found
