"""Folders of models from strangers: nothing in them is run."""

import json
import pickle

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM, AutoTokenizer

from culpa.errors import InputError
from culpa.lm.model import from_folder
from culpa.rollouts.readers.open_instruct import _tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")
CODE = """
from pathlib import Path
Path({mark!r}).touch()
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizer
class Config(PretrainedConfig): model_type = "stranger"
class Model(PreTrainedModel): config_class = Config
class Tokenizer(PreTrainedTokenizer): pass
"""


@pytest.fixture
def stranger(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    mark = tmp_path / "ran"
    (folder / "modeling.py").write_text(CODE.format(mark=str(mark)))
    names = {"AutoConfig": "modeling.Config", "AutoModelForCausalLM": "modeling.Model"}
    (folder / "config.json").write_text(json.dumps({"model_type": "stranger", "auto_map": names}))
    known = {"tokenizer_class": "Tokenizer", "auto_map": {"AutoTokenizer": ["modeling.Tokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(known))
    return folder, mark


@pytest.mark.parametrize("kind", [AutoModelForCausalLM, AutoTokenizer], ids=["model", "tokenizer"])
def test_code_in_a_model_folder_is_not_run(stranger, kind):
    folder, mark = stranger
    with pytest.raises(InputError, match="can be loaded from"):
        from_folder(kind, folder)
    assert not mark.exists()


def test_code_beside_the_tokenizer_of_a_dump_is_not_run(stranger):
    folder, mark = stranger
    with pytest.raises(InputError, match="cannot be loaded"):
        _tokenizer(str(folder))
    assert not mark.exists()


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_weights_that_are_a_pickle_are_not_run(tmp_path):
    folder, mark = tmp_path / "model", tmp_path / "ran"
    folder.mkdir()
    config = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
              "num_attention_heads": 1, "vocab_size": 8}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"lm_head.weight": Harmful(str(mark))}, protocol=2))
    with pytest.raises(InputError, match="no model can be loaded from"):
        from_folder(AutoModelForCausalLM, folder)
    assert not mark.exists()
