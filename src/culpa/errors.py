"""The one error that a user should ever read: what came, where, and what to do about it."""

from os import PathLike


class InputError(ValueError):
    """Input that cannot be used. Its text says what came, in which file, row and column, and what to do.

    >>> raise InputError("'maybe' is not a number.", remedy="Use true, false or a number.", path="a.csv", row=3)
    Traceback (most recent call last):
    ...
    culpa.errors.InputError: a.csv, row 3: 'maybe' is not a number. Use true, false or a number.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        path: str | PathLike[str] | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        place = [shorten(path, 1000)] if path is not None else []
        place += [f"row {row}"] if row is not None else []
        place += [f"column {shorten(repr(column), 200)}"] if column is not None else []
        where = f"{', '.join(place)}: " if place else ""
        super().__init__(f"{where}{problem}{' ' if remedy else ''}{remedy}")


def shorten(text: object, limit: int = 80) -> str:
    r"""Text safe to print in a message: control characters escaped, cut in the middle at `limit` characters.

    >>> shorten("a\x1b[31mred")
    'a\\x1b[31mred'
    """
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)[: 4 * limit])
    return plain if len(plain) <= limit else f"{plain[: limit // 2]}…{plain[-limit // 2 + 1 :]}"
