"""`culpa advise --defect`: by name, by size, as measured in rollouts, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from culpa.advice.atlas import look_up, read_atlas, read_cells

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ["advise", "rollouts.parquet", "--truth", "gold", "--proxy", "rm_long", "--format", "json", "--defect"]


@pytest.fixture
def rollouts(culpa):  # noqa: ARG001 - it changes to a folder of its own first
    """A proxy that pays 1.5 deviations for length, one with a level for each prompt, and one that is turned round."""
    rng = np.random.default_rng(0)
    prompts, samples = 400, 8
    gold, long = rng.normal(size=(2, prompts, samples))
    frame = pl.DataFrame(
        {
            "prompt_id": np.repeat([f"q{number:03d}" for number in range(prompts)], samples),
            "response": [f"answer {number}" for number in range(prompts * samples)],
            "gold": gold.ravel(),
            "tokens": (200 + 50 * long).ravel(),
            "rm_long": (gold + 1.5 * long).ravel(),
            "rm_level": (gold + 3.0 * rng.normal(size=(prompts, 1))).ravel(),
            "rm_against": -gold.ravel(),
        }
    )
    frame.write_parquet("rollouts.parquet")


def shown(culpa, *arguments):
    ran = culpa(*arguments)
    assert ran.code == 0, ran.err
    return ran.out


def test_a_defect_by_its_name_and_size_needs_no_files(culpa):
    document = json.loads(shown(culpa, "advise", "--defect", "hack_rare:2", "--format", "json"))
    (found,) = document["defects"]
    expected = look_up(read_cells(), read_atlas().recipe, "hack_rare", 2.0)
    assert (found["defect"], found["size"], found["beside"]) == ("hack_rare", 2.0, [2.0])
    assert {one["remedy"]: one["cells"][0]["effect"] for one in found["remedies"]} == {
        row["remedy"]: pytest.approx(row["effect"]) for row in expected.rows.iter_rows(named=True)
    }
    assert document["measured"] is None
    assert document["args"]["defect"] == "hack_rare:2"


def test_a_name_alone_shows_all_sizes(culpa):
    printed = shown(culpa, "advise", "--defect", "length")
    assert "All sizes of the atlas: 0.5, 1, 2 (standard deviations of the truth)." in printed
    assert "\nWhat helps against length\n" in printed
    assert "\nWhat hurts\n" in printed
    assert "length_penalty" in printed.split("\nWhat hurts\n")[0]


def test_a_reward_without_a_defect_is_in_it(culpa):
    assert "What helps against a reward without a defect" in shown(culpa, "advise", "--defect", "none")


@pytest.mark.usefixtures("rollouts")
def test_a_defect_is_measured_in_rollouts(culpa):
    document = json.loads(shown(culpa, *MEASURED, "length", "--length", "tokens"))
    (row,) = document["measured"]
    assert row["defect"] == "length"
    assert row["low"] < 1.5 < row["high"]
    assert row["size"] == pytest.approx(1.5, abs=0.15)
    assert document["proxy"] == "rm_long"
    assert document["defects"][0]["size"] == row["size"]
    assert document["defects"][0]["beside"] == [1.0, 2.0]


@pytest.mark.usefixtures("rollouts")
def test_all_that_is_surely_there_is_looked_up(culpa):
    document = json.loads(shown(culpa, *MEASURED, "measure", "--length", "tokens"))
    looked = {one["defect"]: one["size"] for one in document["defects"]}
    assert looked["length"] == pytest.approx(1.5, abs=0.15)
    assert "noise_prompt" not in looked
    assert "mediocre_over" not in looked
    known = read_atlas().recipe["defects"]
    large = {one["defect"] for one in document["measured"] if (one["low"] or 0) >= known[one["defect"]]["sizes"][0]}
    assert set(looked) == large
    ran = culpa("advise", "rollouts.parquet", "--truth", "gold", "--proxy", "rm_level", "--defect", "measure")
    assert "\nnoise_prompt: a level of its own for every prompt.\n" in ran.out
    assert "\nlength: " not in ran.out


@pytest.mark.usefixtures("rollouts")
def test_the_seed_draws_the_prompts(culpa):
    one, two, other = (
        json.loads(shown(culpa, *MEASURED, "length", "--length", "tokens", "--seed", seed)) for seed in (1, 1, 2)
    )
    assert one["measured"] == two["measured"] != other["measured"]


@pytest.mark.usefixtures("rollouts")
def test_markdown_and_a_file_with_its_settings(culpa):
    assert shown(culpa, "advise", "--defect", "length:1", "--format", "md").startswith("# culpa advise --defect")
    ran = culpa("advise", "--defect", "length:1", "--output", "found.txt")
    assert ran.err == "culpa: written: found.txt, found.config.yaml\n"
    assert "What hurts" in Path("found.txt").read_text(encoding="utf-8")
    again = culpa("advise", "--config", "found.config.yaml", "--output", "again.txt")
    assert again.code == 0
    assert Path("again.txt").read_bytes() == Path("found.txt").read_bytes()


@pytest.mark.usefixtures("rollouts")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there are no files. Name rollouts with checks, or look up a --defect NAME."),
        (["rollouts.parquet", "--proxy", "rm_long"], "--proxy belongs to --defect."),
        (["--defect", "length", "--check", "a"], "--check belongs to the forecast of credits, not to --defect."),
        (["--defect", "length", "--plot", "a.svg"], "--plot belongs to the forecast of credits"),
        (["--defect", "hacks"], "the atlas has no defect 'hacks'. Known: none, noise_output,"),
        (["--defect", "length:much"], "'much' is no size of a defect. Write NAME:NUMBER"),
        (["--defect", "length:-1"], "the size of length must be positive, got -1."),
        (["--defect", "measure"], "there is nothing to measure."),
        (["--defect", "measure:2"], "measure has no size, got '2'."),
        (["--defect", "none:2"], "none has no size"),
        (["rollouts.parquet", "--truth", "gold", "--defect", "length:1"], "the size of length is given, 1, and so are"),
        (["rollouts.parquet", "--truth", "gold", "--defect", "length"], "a defect is one of a single proxy, and there"),
        (
            ["rollouts.parquet", "--truth", "gold", "--proxy", "rm_level", "--defect", "delay"],
            "delay cannot be measured",
        ),
        (["rollouts.parquet", "--truth", "gold", "--proxy", "rm_level", "--defect", "hacks"], "no defect 'hacks'"),
        (
            ["rollouts.parquet", "--truth", "gold", "--proxy", "rm_level", "--defect", "length"],
            "length cannot be measured in these rollouts.",
        ),
        (
            ["rollouts.parquet", "--truth", "gold", "--proxy", "rm_level", "--defect", "mediocre_over"],
            "mediocre_over is not there: ",
        ),
        (["rollouts.parquet", "--truth", "gold", "--proxy", "rm_against", "--defect", "measure"], "does not rise with"),
    ],
)
def test_what_is_refused_is_one_line(culpa, arguments, message):
    ran = culpa("advise", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


PAGE = (ROOT / "docs" / "advise.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"```\n\$ culpa (advise .*?)\n(.*?)\n\.\.\.\n```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), QUOTED, ids=[command for command, _ in QUOTED])
def test_the_page_quotes_what_is_printed(culpa, command, shown):
    ran = culpa(*(str(ROOT / word) if word.endswith(".parquet") else word for word in command.split()))
    assert ran.code == 0
    assert ran.out.strip("\n").startswith(shown)


def test_both_ways_to_ask_are_on_the_page():
    assert [len(command.split()) > 3 for command, _ in QUOTED] == [False, True]
