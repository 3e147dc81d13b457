import pytest
import torch

from culpa.errors import InputError
from culpa.labs.tinylm.build import build
from culpa.lm.model import load, save


def weights(lm):
    return torch.cat([one.detach().flatten() for one in lm.model.parameters()])


def test_the_size_is_what_the_docstring_says():
    lm = build("abcdef", seed=0)
    assert weights(lm).numel() == 131_392 + 128 * lm.vocabulary
    assert lm.vocabulary == 10


def test_the_seed_alone_decides_the_weights():
    first = weights(build("ab", seed=3, hidden=16))
    torch.rand(7)
    assert torch.equal(first, weights(build("ab", seed=3, hidden=16)))
    assert not torch.equal(first, weights(build("ab", seed=4, hidden=16)))


def test_the_global_random_state_stays():
    before = torch.random.get_rng_state()
    build("ab", seed=0, hidden=16)
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_begin_wide():
    lm = build("abcdefgh", seed=0)
    assert lm.model.model.layers[0].mlp.up_proj.weight.std().item() == pytest.approx(0.1, rel=0.02)
    assert lm.model.lm_head.weight.data_ptr() != lm.model.model.embed_tokens.weight.data_ptr()


def test_a_saved_model_is_the_same(tmp_path):
    lm = build("ab", seed=0, hidden=16)
    found = load(save(lm, tmp_path / "model"), device="cpu")
    ids = torch.tensor([lm.tokenizer("abba")["input_ids"]])
    assert torch.equal(lm.model(ids).logits, found.model(ids).logits)
    assert found.end_ids == lm.end_ids == {2}
    assert (found.pad_id, found.context) == (0, 64)


@pytest.mark.parametrize("hidden", [18, 20])
def test_heads_of_no_even_width_are_refused(hidden):
    with pytest.raises(InputError, match=f"hidden = {hidden} does not split into 4 heads of even width"):
        build("ab", seed=0, hidden=hidden)
