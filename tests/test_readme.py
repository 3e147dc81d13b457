"""The README quotes what the tool prints, and points at what is there."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from culpa.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_demo_is_quoted_as_it_prints():
    """Parts of it, each as it stands: what is left out between them is a line of three dots."""
    quoted = re.search(r"```text\n(.*?)\n```", README, re.DOTALL)
    printed = CliRunner().invoke(app, ["demo"]).stdout
    assert quoted is not None
    parts = [part.strip("\n") for part in quoted.group(1).split("\n...\n")]
    assert len(parts) > 2
    assert printed.startswith(parts[0])
    for part in parts:
        assert f"\n{part}\n" in f"\n{printed}\n", part.splitlines()[0]


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), f"{page} points at {target}"


def test_every_room_is_on_the_architecture_page():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    storeys = [path for path in (ROOT / "src" / "culpa").iterdir() if (path / "__init__.py").exists()]
    for storey in storeys:
        assert f"{storey.name}/" in text, storey.name
        for room in storey.glob("[a-z]*.py"):
            assert room.name in text, f"{storey.name}/{room.name}"
