"""The strict loader: files that are no files, bytes that are no text, and anything a fuzzer finds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.config import ConfigError, Host, Site, load_host, load_site
from controller.config.loader import BOARDS, check, host_names
from controller.config.option import unit_of
from controller.config.site import CHANNEL_SETS, Channel
from controller.config.text import BYTES_MAX, DEPTH_MAX, parse
from controller.image import CHANNELS
from tests.examples import few

REFERENCE = (BOARDS / "sites" / "reference.yaml").read_bytes()
SITES = sorted((BOARDS / "sites").glob("*.yaml"))


def refusal(raw: bytes) -> str:
    """The message with which bytes are refused as a site."""
    with pytest.raises(ConfigError) as caught:
        check(raw, "site.yaml", Site)
    return str(caught.value)


def test_reference_site_is_read_as_written() -> None:
    """Goal: values arrive unchanged. Method: numbers of the file by hand."""
    site = load_site(BOARDS / "sites" / "reference.yaml")
    assert (site.grid.import_kw_max, site.grid.enter_service_s) == (6000, 5)
    assert site.sampling.channels["load_vc"] == Channel(input=5, v_per_v=2500)
    assert (site.pcs[0].dead_time_ms, site.pcs[0].unit) == (0.3, 1)
    assert (site.control.clear_hold_s, site.control.auto_start) == (30, True)


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.stem)
def test_strict_text_equals_pyyaml_on_every_board_file(path: Path) -> None:
    """Goal: strict means fewer files, never other values. Method: PyYAML's own reading of the same file."""
    assert parse(path.read_bytes(), "x").tree == yaml.safe_load(path.read_bytes())


def test_hosts_load() -> None:
    """Goal: every host folder is usable. Method: load each by name."""
    assert {"laptop", "siemens-iot2050"} <= set(host_names())
    for name in host_names():
        host = load_host(name)
        assert isinstance(host, Host)
        assert host.name == name
    with pytest.raises(ConfigError, match="Did you mean laptop"):
        load_host("lptop")


def test_channels_are_those_of_the_frame() -> None:
    """Goal: one list of channels. Method: the sets of the schema against the nouns of the image."""
    assert tuple(name for members in CHANNEL_SETS.values() for name in members) == CHANNELS


@pytest.mark.parametrize(
    ("name", "unit"),
    [("discharge_kw_max", "kw"), ("ramp_kw_per_s_max", "kw_per_s"), ("soc_pct_target", "pct"), ("unit", "")],
)
def test_unit_is_in_the_name(name: str, unit: str) -> None:
    """Goal: the reference shows the right unit. Method: names with one, two and no suffixes."""
    assert unit_of(name) == unit


def test_no_such_file_folder_and_permission(tmp_path: Path) -> None:
    """Goal: no traceback for a path that is no file. Method: each kind."""
    for path, word in ((tmp_path / "none.yaml", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(ConfigError, match=word):
            load_site(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_site(Path("a\0b"))


def test_bytes_that_are_no_text() -> None:
    """Goal: encodings and sizes are named. Method: one file each, with the place of the fault by hand."""
    assert "site.yaml:2:7: byte 0xff is not UTF-8" in refusal(b"version: 1\nname: \xff\n")
    assert "is not UTF-8" in refusal("version: 1".encode("utf-16"))
    assert "site.yaml:2:1: a character" in refusal(b"version: 1\nname: a\x07b\n")
    assert "the file is empty" in refusal(b"")
    assert "the file is empty" in refusal(b"# only a comment\n")
    assert f"more than {BYTES_MAX} bytes" in refusal(b"#" * (BYTES_MAX + 1))
    assert check(b"\xef\xbb\xbf" + REFERENCE, "site.yaml", Site).value.name == "reference"


def test_depth_is_bounded() -> None:
    """Goal: nesting cannot exhaust the stack.
    Method: one bracket too many, and as many as the size allows."""
    assert f"deeper than {DEPTH_MAX} levels" in refusal(b"a: " + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    assert "nest" in refusal(b"[" * BYTES_MAX)
    assert "nest" in refusal(b"{a: " * (BYTES_MAX // 4))


def test_huge_numbers() -> None:
    """Goal: a number of thousands of digits is a finding. Method: 5000 nines, an int beyond 64 bits."""
    assert "more than 40 digits" in refusal(REFERENCE.replace(b"6000", b"9" * 5000))
    assert "from 2000 to 20000" in refusal(REFERENCE.replace(b"rate_hz: 10000", b"rate_hz: " + b"9" * 30))


PIECES = [
    b"~", b"no", b"1e3", b"[", b"{", b"&a ", b"*a", b"!!int ", b"\t", b": ", b"- ", b"\n", b"<<",
    b"|\n", b'"', b"0x", b"#", b"---\n", b"? ", b"'\\ud800'", b'"\\ud800"', b"9" * 400,
]  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(REFERENCE)),
        st.integers(0, 12),
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from(PIECES),
        ),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=few(400), deadline=None)
@given(EDITS)
def test_edited_file_gives_a_site_or_findings(edits: list[tuple[int, int, bytes]]) -> None:
    """Goal: never anything but Site or ConfigError.
    Method: random cuts and insertions in the reference site."""
    raw = REFERENCE
    for place, cut, piece in edits:
        raw = raw[:place] + piece + raw[place + cut :]
    assert is_site_or_findings(raw)


@settings(max_examples=few(300), deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_findings(raw: bytes) -> None:
    """Goal: the same for bytes that were never a site. Method: arbitrary bytes."""
    assert is_site_or_findings(raw)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=few(300), deadline=None)
@given(st.dictionaries(st.sampled_from(list(Site.model_fields)), TREES, max_size=6))
def test_wrong_shapes_give_findings(tree: dict[str, object]) -> None:
    """Goal: every error kind of the schema has words. Method: known names with values of any shape."""
    assert is_site_or_findings(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


def is_site_or_findings(raw: bytes) -> bool:
    """Whether each finding has a place inside the file and a sentence; anything else that is raised goes through."""
    try:
        return isinstance(check(raw, "site.yaml", Site).value, Site)
    except ConfigError as error:
        lines = raw.count(b"\n") + raw.count(b"\r") + raw.count(b"\xc2\x85") + raw.count(b"\xe2\x80") + 2
        return bool(error.problems) and all(
            1 <= problem.line <= lines and problem.column >= 1 and problem.message.endswith((".", "?"))
            for problem in error.problems
        )
