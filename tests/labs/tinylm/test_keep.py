import pytest

from culpa.labs.tinylm.keep import kept


def fill(text):
    return lambda place: (place / "a.txt").write_text(text)


def test_what_was_made_once_is_found_again(tmp_path):
    place = kept(tmp_path / "new", "sort", [1, "x"], fill("first"))
    assert kept(tmp_path / "new", "sort", [1, "x"], fill("second")) == place
    assert (place / "a.txt").read_text() == "first"
    assert place.name.startswith("sort-")
    assert [one.name for one in (tmp_path / "new").iterdir()] == [place.name]


def test_other_settings_are_another_folder(tmp_path):
    places = {kept(tmp_path, stem, settings, fill("")) for stem in "ab" for settings in ([1], [2], ["1"])}
    assert len(places) == 6


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    def half(place):
        (place / "a.txt").write_text("half")
        raise error

    with pytest.raises(error):
        kept(tmp_path, "sort", [], half)
    assert list(tmp_path.iterdir()) == []


def test_of_two_processes_the_first_is_found(tmp_path):
    def slow(place):
        kept(tmp_path, "sort", [], fill("the other process"))
        fill("this one")(place)

    place = kept(tmp_path, "sort", [], slow)
    assert (place / "a.txt").read_text() == "the other process"
    assert list(tmp_path.iterdir()) == [place]
