"""JSON of strangers as values that the rest can hold."""

import json


def parsed(text: str | bytes) -> object:
    r"""The document of a JSON text. Half of a surrogate pair, which UTF-8 cannot hold, becomes "?".

    Raises `ValueError` for what is no JSON or no UTF-8, and `RecursionError` for what is nested too deep.

    >>> parsed(b'{"a\\ud800": ["\\ud83d\\ude00", "\\udfff"]}')
    {'a?': ['😀', '?']}
    """
    plain = text if isinstance(text, str) else text.decode("utf-8-sig")
    document: object = json.loads(plain)
    return whole(document) if "\\ud" in plain or "\\uD" in plain else document


def whole(value: object) -> object:
    """The same with "?" for half of a surrogate pair in any name or text of it."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, dict):
        return {whole(key): whole(one) for key, one in value.items()}
    return value
