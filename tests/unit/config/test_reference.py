"""The generated files are fresh, and every board file fits them."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config.loader import BOARDS
from controller.config.option import Section
from controller.devices.check import check_site
from controller.devices.profile import POINTS
from tools import reference

SITES = sorted((BOARDS / "sites").glob("*.yaml"))


def models(section: type[Section]) -> set[type[Section]]:
    """All Section classes of the house."""
    return {section}.union(*(models(inner) for inner in section.__subclasses__()))


def test_generated_files_are_fresh() -> None:
    """Goal: reference and schemas never lag behind the models. Method: generate again and compare."""
    assert reference.stale() == []


def test_a_changed_file_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: --check can fail, and writing cures it. Method: an empty folder, then one changed byte."""
    monkeypatch.setattr(reference, "BOARDS", tmp_path)
    assert reference.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "reference.md").write_text("x", "utf-8")
    assert reference.main(["--check"]) == 1
    assert reference.main(["--wrong"]) == 2


def test_every_default_has_a_reason() -> None:
    """Goal: no default without its why. Method: all options of all sections."""
    for model in models(Section) - {Section}:
        for name, body in model.model_fields.items():
            assert body.description, f"{model.__name__}.{name}"
            extra = body.json_schema_extra
            assert isinstance(extra, dict)
            assert body.is_required() or extra["reason"], f"{model.__name__}.{name}"


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.stem)
def test_example_sites_pass_the_check(path: Path) -> None:
    """Goal: every example runs. Method: the whole check with host, profiles and buses."""
    checked = check_site(path)
    assert checked.site.name == path.stem
    assert {"reference", "nordlab", "two-halls"} <= {site.stem for site in SITES}


def test_every_kind_of_device_is_in_an_example() -> None:
    """Goal: an example of each kind to copy from. Method: union of the examples' profiles."""
    used = {profile.kind for path in SITES for profile in check_site(path).profiles.values()}
    assert used == set(POINTS)


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*/**/*.yaml")), ids=lambda path: path.stem)
def test_board_files_name_their_schema(path: Path) -> None:
    """Goal: an editor finds the schema. Method: the first line of every file, resolved from its folder."""
    first = path.read_text("utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).resolve().parent == BOARDS.resolve()
    assert (path.parent / first.removeprefix(prefix)).exists()
