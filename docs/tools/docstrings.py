"""Docstrings as Markdown: a formula keeps its lines, an example becomes code, signs of mathematics stay as they are."""

import ast
import re
from textwrap import dedent
from typing import Any

try:
    from griffe import Extension
except ModuleNotFoundError:  # what is below is tested without what builds the site
    Extension = object

_SPACED = re.compile(r"\S {2,}\S")
_RELATION = re.compile(r"(?:^|\s)(?:=|\+=|<-|~)(?:\s|$)")
_LIST = re.compile(r"(?:\d+\.|-) ")
_CODE = re.compile(r"(`+[^`]+`+)")
_SIGNS = re.compile(r"([\\*_<\[\]|$#])")


def markdown(text: str) -> str:
    r"""A docstring as Markdown, paragraph by paragraph.

    >>> print(markdown("Mean of r_i.\n\n    m = sum_i r_i / n"))
    Mean of r\_i.
    <BLANKLINE>
    ```text
    m = sum_i r_i / n
    ```
    """
    words, start, example = text.strip("\n").partition(">>>")
    parts = []
    for number, part in enumerate(re.split(r"\n[ \t]*\n", words.rstrip())):
        parts.append(f"```text\n{_flush(part)}\n```" if number and is_formula(part) else _prose(part))
    if start:
        parts.append(f"```pycon\n{_flush(start + example).rstrip()}\n```")
    return "\n\n".join(part for part in parts if part)


def is_formula(part: str) -> bool:
    """Whether a paragraph is set off as mathematics: indented, spaced in columns, or a relation without a sentence.

    >>> is_formula("A = r - mean        (p, s) to the like"), is_formula("truth: (s, m); absent outputs have 0.")
    (True, False)
    """
    lines = part.splitlines()
    if all(line.startswith("    ") for line in lines) or any(_SPACED.search(line) for line in lines):
        return not _LIST.match(lines[0])
    return len(lines) <= 3 and bool(_RELATION.search(part)) and not part.rstrip().endswith((".", ":"))


def _flush(part: str) -> str:
    """Without the indentation that all lines have."""
    lines = part.splitlines()
    least = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[least:].rstrip() for line in lines)


def _prose(part: str) -> str:
    """Words, with their code as it is and every other sign guarded; numbered and dashed lines are lists."""
    pieces = _CODE.split(part)
    text = "".join(piece if place % 2 else _SIGNS.sub(r"\\\1", piece) for place, piece in enumerate(pieces))
    return re.sub(r"(?m)^\s+(?=\S)", "", text) if not re.search(r"(?m)^\s*(?:\d+\.|-) ", text) else text


def fields(source: str) -> str:
    r"""The fields of a class as they are written, with what is said beside them; nothing where nothing is said.

    >>> fields("class A(NamedTuple):\n    size: int  # (k,)\n\n    def f(self): ...")
    'size: int  # (k,)'
    """
    text = dedent(source)
    node = next((one for one in ast.parse(text).body if isinstance(one, ast.ClassDef)), None)
    places = [one for one in node.body if isinstance(one, ast.AnnAssign)] if node else []
    lines = [line for one in places for line in text.splitlines()[one.lineno - 1 : one.end_lineno]]
    named = node is not None and any(ast.unparse(base) == "NamedTuple" for base in node.bases)
    return dedent("\n".join(lines)) if named or any("  # " in line for line in lines) else ""


class Plain(Extension):
    """Turns every docstring into Markdown once it is read, that of a class with its fields instead of a signature."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """One function, class, module or attribute."""
        if obj.docstring is None:
            return
        obj.docstring.value = markdown(obj.docstring.value)
        if obj.is_class and (listed := fields(obj.source)):
            obj.docstring.value += f"\n\n```python\n{listed}\n```"
            obj.decorators.clear()  # what is no dataclass gets no signature: it would say the same again
