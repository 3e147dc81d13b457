"""Make the atlas: `python -m culpa.labs.finite [--seeds N] [--output FILE] [--page FILE] [--parts FOLDER]`."""

import argparse
import sys
import tempfile
from pathlib import Path

from culpa.advice.atlas import STORED, read_atlas, read_cells, write_atlas
from culpa.labs.finite.atlas import SEEDS, survey
from culpa.report.atlas_page import atlas_page
from culpa.report.atlas_plot import write_atlas_plot
from culpa.rollouts import write_text


def main() -> None:
    """Run the grid and write it; with `--seeds 0` only the page of what is stored."""
    parser = argparse.ArgumentParser(prog="python -m culpa.labs.finite", description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many, from 1 on; 0 runs nothing")
    parser.add_argument("--output", type=Path, default=STORED, help="the Parquet file; default: the package's own")
    parser.add_argument("--page", type=Path, help="a Markdown page, its heat map beside it")
    parser.add_argument("--parts", type=Path, help="a folder that keeps each world's runs: a stopped survey goes on")
    given = parser.parse_args()
    if given.seeds:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.parts or Path(temporary)
            atlas = survey(range(1, given.seeds + 1), folder=folder, tell=_tell)
        write_atlas(atlas, given.output)
        print(f"{given.output}: {given.seeds} seeds, {atlas.recipe['seconds']:.0f} s of one core")
    if given.page is not None:
        cells, recipe = read_cells(given.output), read_atlas(given.output).recipe
        picture = write_atlas_plot(cells, recipe, given.page.with_suffix(".svg"))
        write_text(atlas_page(cells, recipe, picture.name), given.page)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
