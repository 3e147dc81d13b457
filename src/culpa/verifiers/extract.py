"""The final answer of a response: what stands in its last box, tag or line of answer."""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_HASHES = re.compile(r"^[ \t]*####(.*)$", re.MULTILINE)


def boxed(text: str) -> str | None:
    r"""What stands in the last \boxed{...} (or \fbox{...}) whose braces close; None where there is none.

    Braces behind a backslash are letters, not brackets. A box inside a box counts as the inside of the outer one.

    >>> boxed(r"First \boxed{1}, then \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> boxed(r"\boxed{1") is None
    True
    """
    last, position = None, 0
    while (found := _BOX.search(text, position)) is not None:
        end = _closing(text, found.end())
        if end is not None:
            last = text[found.end() : end]
        position = found.end() if end is None else end
    return last


def final_answer(text: str) -> str:
    r"""The last box, else the last <answer> tag, else the line behind the last ####, else the whole text; trimmed.

    >>> final_answer(r"so \boxed{ 42 }"), final_answer("<answer>Paris</answer>"), final_answer("6 x 7\n#### 42")
    ('42', 'Paris', '42')
    >>> final_answer(" 42 ")
    '42'
    """
    box = boxed(text)
    if box is not None:
        return box.strip()
    for pattern in (_TAG, _HASHES):
        found = pattern.findall(text)
        if found:
            return str(found[-1]).strip()
    return text.strip()


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened before `start` closes."""
    depth, position = 1, start
    while position < len(text):
        sign = text[position]
        if sign == "\\":
            position += 1
        elif sign in "{}":
            depth += 1 if sign == "{" else -1
            if depth == 0:
                return position
        position += 1
    return None
