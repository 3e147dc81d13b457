"""The final answer of a response: what stands in its last box, tag or line of answer."""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
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
    starts = {found.end() - 1 for found in _BOX.finditer(text)}
    opened: list[int] = []
    last = None
    for found in _BRACE.finditer(text) if starts else ():  # once over the text, however many boxes never close
        if found[0] == "{":
            opened.append(found.start())
        elif found[0] == "}" and opened and (start := opened.pop()) in starts:
            last = text[start + 1 : found.start()]
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
    tagged = _tagged(text)
    if tagged is not None:
        return tagged.strip()
    marked = _HASHES.findall(text)
    return str(marked[-1]).strip() if marked else text.strip()


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


def _tagged(text: str) -> str | None:
    """What the last tag holds that closes; once over the text."""
    last, start = None, None
    for found in _TAG.finditer(text):
        if not found[1]:
            start = found.end() if start is None else start
        elif start is not None:
            last, start = text[start : found.start()], None
    return last
