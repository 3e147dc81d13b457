"""The final answer of a response: what stands in its last box, tag or line of answer."""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(r":|(?<![<>!])=|\bis\b|\bare\b")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|(?<![\\A-Za-z])or\b")
_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?")
_FORMULA = re.compile(r"\$([^$]+)\$")
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


def last_expression(text: str) -> str:
    """Where nothing marks the answer: what follows the last :, =, "is" or "are" of the last line, if it holds no words.

    Formulas between $ come first. Else the last number of the text, else "". Several values behind the mark stay
    several: they are no single answer.

    >>> last_expression("So 17 + 25 = 42."), last_expression("It is $x+1$"), last_expression("3 or 4 eggs")
    ('42', 'x+1', '4')
    >>> last_expression("one of: 1, 2, 3")
    '1, 2, 3'
    """
    lines = text.strip().splitlines()
    formulas = _FORMULA.findall(lines[-1]) if lines else []
    tail = _OPENING.split((formulas or lines[-1:] or [""])[-1])[-1].strip(" \t$.*")
    if tail and not _WORD.search(tail):
        return tail
    numbers = _NUMBER.findall(text)
    return str(numbers[-1]) if numbers else ""


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
