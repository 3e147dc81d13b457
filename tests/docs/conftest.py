"""The command run in this process, in a folder of its own, as the tests of the command line have it."""

from tests.cli.conftest import culpa  # noqa: F401 - a fixture
