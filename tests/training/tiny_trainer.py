"""Trainers of TRL on a model of a few thousand weights."""

import torch
from datasets import Dataset
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]


def words():
    inner = Tokenizer(models.WordLevel(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    inner.decoder = decoders.Fuse()
    inner.train_from_iterator(["abcdefgh"], trainers.WordLevelTrainer(special_tokens=SPECIAL))
    names = {f"{name}_token": f"<{name}>" for name in ("pad", "bos", "eos", "unk")}
    return PreTrainedTokenizerFast(tokenizer_object=inner, padding_side="left", **names)


def model():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=12, max_position_embeddings=32, **sizes, **ends))


def made(kind, config, rewards, folder, *, settings=None, **named):
    """A trainer of 2 steps, 4 prompts of 4 outputs each."""
    common = {"output_dir": str(folder), "use_cpu": True, "bf16": False, "report_to": [], "save_strategy": "no"}
    batch = {"per_device_train_batch_size": 16, "num_generations": 4, "max_completion_length": 5, "max_steps": 2}
    rest = {"learning_rate": 1e-2, "disable_tqdm": True, "logging_steps": 1, "seed": 0, "gradient_checkpointing": False}
    columns = [{"prompt": text, "kind": number} for number, text in enumerate(("ab", "c", "de", "fgh"))]
    args = config(**{**common, **batch, **rest, **(settings or {})})
    data = Dataset.from_list(columns)
    start = model()
    if args.beta:  # the reference is read from where the policy came from
        start.save_pretrained(folder / "model")
        start = str(folder / "model")
    return kind(start, rewards, args, train_dataset=data, processing_class=words(), **named)


def vowels(completions, **_):
    return [float(sum(letter in "ae" for letter in text)) for text in completions]


def gaps(completions, **columns):
    """The same, and no verdict on what starts with b or c; none at all about some prompts."""
    return [
        None if text[:1] in ("b", "c") or (kind == 1 and number % 4) else float(len(text.strip("<>")) % 3)
        for number, (text, kind) in enumerate(zip(completions, columns["kind"], strict=True))
    ]
