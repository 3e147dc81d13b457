"""A language model of a few thousand weights, made on the spot, so that the examples run offline and in seconds."""

import tempfile
import warnings

import torch
from datasets import Dataset
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback

warnings.simplefilter("ignore", FutureWarning)
SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]


def tokenizer(alphabet="0123456789+="):
    """One token for each character."""
    inner = Tokenizer(models.WordLevel(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    inner.decoder = decoders.Fuse()
    inner.train_from_iterator([alphabet], trainers.WordLevelTrainer(special_tokens=SPECIAL))
    names = {f"{name}_token": f"<{name}>" for name in ("pad", "bos", "eos", "unk")}
    return PreTrainedTokenizerFast(tokenizer_object=inner, padding_side="left", **names)


def model(words, hidden=32):
    """A Llama of one layer with random weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **sizes, **ends))


def settings(**more):
    """What every example tells TRL: a small run on the processor that writes nothing down."""
    common = {"output_dir": tempfile.mkdtemp(), "use_cpu": True, "bf16": False, "report_to": [], "save_strategy": "no"}
    batch = {"per_device_train_batch_size": 64, "num_generations": 8, "max_completion_length": 6, "max_steps": 10}
    rest = {"gradient_checkpointing": False, "learning_rate": 3e-3, "disable_tqdm": True, "logging_steps": 5, "seed": 0}
    return common | batch | rest | more


def sums(count=32):
    """Prompts like "3+4=" with their answers."""
    pairs = [(a, b) for a in range(10) for b in range(10)][:: 100 // count]
    return Dataset.from_list([{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a, b in pairs])


def train(trainer, *names):
    """Train, and print the metrics that are named."""
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    for entry in trainer.state.log_history:
        found = [f"{name} {entry[name]:.3f}" for name in names if name in entry]
        if found:
            print(f"step {entry['step']:>3}  " + "  ".join(found))
