"""Quantities: what the API server accepts and how it writes it back."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genmodel_operator.api.quantity import (
    canonical_quantity,
    format_cores,
    format_gib,
    gib_of,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "want_value"),
    [
        pytest.param("2", Decimal(2), id="plain number"),
        pytest.param("0.5", Decimal("0.5"), id="fraction"),
        pytest.param(".5", Decimal("0.5"), id="fraction without a leading zero"),
        pytest.param("5.", Decimal(5), id="trailing dot"),
        pytest.param("500m", Decimal("0.5"), id="milli"),
        pytest.param("250u", Decimal("0.00025"), id="micro"),
        pytest.param("100n", Decimal("0.0000001"), id="nano"),
        pytest.param("3k", Decimal(3000), id="kilo"),
        pytest.param("2M", Decimal(2_000_000), id="mega"),
        pytest.param("1E", Decimal(10) ** 18, id="exa"),
        pytest.param("12Gi", Decimal(12 * 1024**3), id="gibibytes"),
        pytest.param("1.5Gi", Decimal(1536 * 1024**2), id="fraction of a gibibyte"),
        pytest.param("24564Mi", Decimal(24564 * 1024**2), id="mebibytes"),
        pytest.param("1e3", Decimal(1000), id="exponent"),
        pytest.param("12E-1", Decimal("1.2"), id="upper case exponent"),
        pytest.param("-1Ki", Decimal(-1024), id="negative"),
        pytest.param("+7", Decimal(7), id="plus sign"),
    ],
)
def test_values(text: str, want_value: Decimal) -> None:
    assert parse_quantity(text) == want_value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Gi", id="only a suffix"),
        pytest.param("1 Gi", id="space inside"),
        pytest.param("1GiB", id="not a suffix of Kubernetes"),
        pytest.param("1g", id="lower case"),
        pytest.param("1K", id="upper case kilo"),
        pytest.param("1,5", id="comma"),
        pytest.param("1e", id="exponent without number"),
        pytest.param("nan", id="not a number"),
        pytest.param("1Gi\n", id="new line"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "want_canonical"),
    [
        pytest.param("1024Gi", "1Ti", id="next binary suffix"),
        pytest.param("4608Mi", "4608Mi", id="no larger suffix is whole"),
        pytest.param("1.5Gi", "1536Mi", id="fraction"),
        pytest.param("512Ki", "512Ki", id="already canonical"),
        pytest.param("0.5Ki", "512", id="below one Ki is decimal"),
        pytest.param("0.5", "500m", id="half a core"),
        pytest.param("1.0", "1", id="trailing zero"),
        pytest.param("2000m", "2", id="whole cores"),
        pytest.param("1500m", "1500m", id="one and a half cores"),
        pytest.param("2000", "2k", id="thousands"),
        pytest.param("0", "0", id="zero"),
        pytest.param("0Gi", "0", id="zero bytes"),
        pytest.param("1e3", "1e3", id="exponent stays an exponent"),
        pytest.param("100e-1", "10", id="exponent that is not needed"),
        pytest.param("0.1n", "1n", id="below nano is rounded up"),
    ],
)
def test_canonical_form(text: str, want_canonical: str) -> None:
    assert canonical_quantity(text) == want_canonical


@pytest.mark.parametrize(
    ("gib", "want_text"),
    [
        pytest.param(12, "12Gi", id="whole"),
        pytest.param(4.5, "4608Mi", id="half"),
        pytest.param(1024, "1Ti", id="tebibyte"),
        pytest.param(0.1, "103Mi", id="rounded up to whole MiB"),
        pytest.param(0, "0", id="nothing"),
    ],
)
def test_gib_as_text(gib: float, want_text: str) -> None:
    assert format_gib(gib) == want_text


@pytest.mark.parametrize(
    ("cores", "want_text"),
    [
        pytest.param(2, "2", id="whole"),
        pytest.param(0.5, "500m", id="half"),
        pytest.param(0.1, "100m", id="tenth, which floats cannot hold"),
        pytest.param(0.0001, "1m", id="rounded up"),
        pytest.param(0, "0", id="none"),
    ],
)
def test_cores_as_text(cores: float, want_text: str) -> None:
    assert format_cores(cores) == want_text


def test_gib_of() -> None:
    assert gib_of("24576Mi") == 24.0
    assert gib_of("25165824Ki") == 24.0


QUANTITIES = st.builds(
    "{}{}".format,
    st.decimals(min_value=0, max_value=10**6, places=3),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]),
)


@given(QUANTITIES)
@example("664.361Mi")
def test_canonical_form_is_stable_and_never_smaller(text: str) -> None:
    written = canonical_quantity(text)
    assert canonical_quantity(written) == written
    assert parse_quantity(text) <= parse_quantity(written)
    assert parse_quantity(written) - parse_quantity(text) < 1


@given(st.floats(min_value=0, max_value=4096))
def test_gib_are_never_rounded_down(gib: float) -> None:
    assert gib <= gib_of(format_gib(gib)) <= gib + 1 / 1024
