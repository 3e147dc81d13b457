"""From the words of a user to an engine."""

from culpa.engines.engine import Engine
from culpa.engines.local import Local, cores
from culpa.engines.ray import Ray
from culpa.errors import InputError, shorten


def engine(name: str = "local", *, processes: int | None = None, address: str | None = None) -> Engine:
    """The engine of this name.

    processes  workers; none: one for each core that is free to use, or of the cluster
    address    of a Ray cluster, as `ray.init` takes it; none: a small one on this machine, for as long as it is needed

    >>> engine("local", processes=2)
    Local(processes=2)
    """
    if name == "local":
        if address is not None:
            raise InputError("an address is for Ray.", remedy="Say --engine ray, or leave the address out.")
        return Local(cores() if processes is None else processes)
    if name == "ray":
        return Ray(processes, address)
    raise InputError(f"no engine is called {shorten(name)!r}.", remedy="Known: local, ray.")
