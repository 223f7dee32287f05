"""A distribution's own requirement on `busway`: PEP 440 and PEP 508, as far as it goes."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from busway._requirements import unmet

releases = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda r: ".".join(map(str, r)))
suffixes = st.sampled_from(
    ["", "", "", "a1", "b2", "rc1", ".post1", ".dev1", "a1.dev2", "rc1.post1", ".post1.dev1"]
)
versions = st.builds("{}{}".format, releases, suffixes)
clauses = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", "<=", ">=", "<", ">"]), versions),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), releases),
    st.builds("~={}.{}{}".format, st.integers(0, 3), releases, suffixes),
)


@pytest.mark.parametrize(
    "requirement",
    [
        "busway",
        "busway>=1.2",
        "busway >= 1.0, < 2",
        "busway (>=1.0,<2)",
        "BusWay==1.2.0",
        "busway[extra]>=1.0",
        "busway~=1.0",
        "busway==1.*",
        "busway!=1.1",
    ],
)
def test_a_requirement_that_is_met(requirement):
    """In each usual form."""
    assert unmet([requirement], "1.2") is None


@pytest.mark.parametrize(
    "requirement",
    [
        "busway>=1.3",
        "busway<1.2",
        "busway >= 1.0, < 1.2",
        "busway (>=2)",
        "BUSWAY>1.2",
        "busway[extra]>=2",
        "busway~=2.0",
        "busway==2.*",
        "busway!=1.2.0",
        "busway===1.2.0",
    ],
)
def test_a_requirement_that_is_not_met(requirement):
    """It is given back as it stands."""
    assert requirement == unmet(["click>=8", requirement], "1.2")


@pytest.mark.parametrize(
    "requirement",
    ["click>=99", "busway-audit>=99", "busway_audit>=99", "buswayx>=99", "not-busway>=99"],
)
def test_other_distributions_are_passed_over(requirement):
    """Names that begin or end the same among them."""
    assert unmet([requirement], "1.2") is None


@pytest.mark.parametrize(
    "requirement",
    ['busway>=99; extra == "next"', 'busway>=99 ; python_version < "3"'],
)
def test_a_requirement_with_a_marker_is_passed_over(requirement):
    """It may not be one for this environment."""
    assert unmet([requirement], "1.2") is None


@pytest.mark.parametrize(
    "requirement",
    [
        "busway @ git+https://example.org/busway",
        "busway>=one",
        "busway>=1.*",
        "busway=>99",
        "busway>=99 or so",
    ],
)
def test_what_cannot_be_read_is_met(requirement):
    """It is a second look: the installer has checked already."""
    assert unmet([requirement], "1.2") is None


@pytest.mark.parametrize("clause", ["", ">=99", "==99", "==99.*", "!=99.*", "~=99.0"])
def test_an_unknown_version_meets_everything(clause):
    """A source tree that was never installed has none."""
    assert unmet([f"busway{clause}"], "") is None


def test_the_first_unmet_requirement_is_told():
    """Of several."""
    assert unmet(["busway>=1", "busway<1", "busway>=2"], "1.2") == "busway<1"


@example("0.dev0", "<0.1")
@example("2.0rc1", "<2")
@example("2.0.post1", "<2.1")
@example("1.0", "==1.0.0")
@example("1.0rc1", ">=1.0")
@example("1.0.post1", ">1.0")
@example("2.0", "<2.0.post1")
@example("2.3", "~=2.2.post1")
@settings(max_examples=400)
@given(versions, clauses)
def test_it_agrees_with_packaging(version, clause):
    """The reference implementation; whose releases disagree on `<1.post1` and 1's pre-releases."""
    specifiers = pytest.importorskip("packaging.specifiers")
    assume(not (re.match(r"<[^=].*post", clause) and re.search("a|b|rc|dev", version)))
    expected = specifiers.SpecifierSet(clause).contains(version, prereleases=True)
    assert expected is (unmet([f"busway{clause}"], version) is None)


@given(st.text(max_size=30), st.text(max_size=10))
def test_it_never_fails(text, version):
    """Metadata is written by strangers."""
    assert unmet([f"busway{text}", text], version) in (None, f"busway{text}", text)
