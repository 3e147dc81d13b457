"""How a reward is named."""

from pathlib import Path

import pytest

from culpa.errors import InputError
from culpa.probing import parse_target
from culpa.verifiers.process import Target


def test_modules_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.py").write_text("")
    (tmp_path / "odd:name.py").write_text("")
    assert parse_target("my.rewards:Judge.score") == Target("my.rewards", None, "Judge.score")
    assert parse_target("a b.py:f") == Target("", Path("a b.py"), "f")
    assert parse_target("odd:name.py:f") == Target("", Path("odd:name.py"), "f")
    assert parse_target("./a b.py:f").file == Path("a b.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rewards", "the reward is 'rewards'. Write module:function or file.py:function."),
        ("rewards:", "the reward is 'rewards:'. Write module:function or file.py:function."),
        (":f", "the reward is ':f'. Write module:function or file.py:function."),
        ("m:f()", "the reward is 'm:f()'. Write module:function or file.py:function."),
        ("m:a..b", "the reward is 'm:a..b'. Write module:function or file.py:function."),
        ("none.py:f", "none.py: there is no such file. Check the path of the reward."),
        ("a/b:f", "a/b: there is no such file. Check the path of the reward."),
        ("a-b:f", "'a-b' is neither a module nor a file that ends with .py. Write module:function"),
    ],
)
def test_what_is_no_name(text, message):
    with pytest.raises(InputError) as error:
        parse_target(text)
    assert message in str(error.value)
