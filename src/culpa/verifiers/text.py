"""Words and sentences, by rules that can be stated in a line."""

import re
import string

_SIGNS = string.punctuation + "“”‘’«»…–—‽¿¡"
_END = re.compile(r"[.!?…‽]+[\"'”’)\]]*(?=\s|$)")
_SHORTENED = "mr mrs ms dr prof st jr sr vs etc e.g i.e cf no fig approx inc ltd co"
_SHORT = frozenset(_SHORTENED.split())


def words(text: str) -> list[str]:
    """What white space parts, in small letters, without punctuation at either end; pure punctuation is no word.

    >>> words("Well-known: 'It's' -- 3.5!")
    ['well-known', "it's", '3.5']
    """
    stripped = (part.strip(_SIGNS).lower() for part in text.split())
    return [word for word in stripped if word]


def sentences(text: str) -> list[str]:
    """Parts that end with . ! ? … and white space (or the end); what has no word in it is none.

    A point behind a single capital (not I) or a common abbreviation (Mr., e.g.) ends nothing. Lines do not matter.

    >>> sentences("Mr. A. Smith paid 3.50! Did he? Yes")
    ['Mr. A. Smith paid 3.50!', 'Did he?', 'Yes']
    """
    parts, start = [], 0
    for end in _END.finditer(text):
        if end.group() == "." and _abbreviated(text[start : end.start()]):
            continue
        parts.append(text[start : end.end()])
        start = end.end()
    parts.append(text[start:])
    return [" ".join(part.split()) for part in parts if words(part)]


def _abbreviated(before: str) -> bool:
    last = before.rpartition(" ")[2].rpartition("\n")[2].strip(_SIGNS)
    return last.lower() in _SHORT or (len(last) == 1 and last.isupper() and last != "I")
