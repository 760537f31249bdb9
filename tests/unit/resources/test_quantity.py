"""Quantities as the API server writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from genmodel_operator.resources.quantity import cores, count, gib


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(4, "4Gi", id="whole"),
        pytest.param(4.0, "4Gi", id="whole as a float"),
        pytest.param(1.5, "1536Mi", id="half"),
        pytest.param(1 / 16, "64Mi", id="a sixteenth"),
        pytest.param(0.0001, "1Mi", id="rounded up"),
        pytest.param(2048, "2Ti", id="larger unit"),
        pytest.param(1000, "1000Gi", id="no larger unit"),
        pytest.param(5.3, "5428Mi", id="a fraction is rounded up to MiB"),
    ],
)
def test_gib(value: float, want: str) -> None:
    assert gib(value) == want


@pytest.mark.parametrize("value", [pytest.param(0, id="nothing"), pytest.param(-1, id="less than nothing")])
def test_gib_refuses_what_is_no_amount(value: float) -> None:
    with pytest.raises(ValueError, match="is not an amount of memory"):
        gib(value)


@hypothesis_settings(deadline=None)
@given(st.integers(1, 2**24))
def test_gib_is_exact_for_whole_mebibytes(mebibytes: int) -> None:
    assert parse_quantity(gib(mebibytes / 1024)) == Decimal(mebibytes) * 2**20


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("2", "2", id="whole"),
        pytest.param("2000m", "2", id="milli that is whole"),
        pytest.param("0.5", "500m", id="fraction"),
        pytest.param("200m", "200m", id="milli"),
        pytest.param("1.25", "1250m", id="more than one"),
        pytest.param("0.0001", "1m", id="rounded up to the smallest"),
        pytest.param("1000", "1k", id="a thousand"),
        pytest.param("1k", "1k", id="a thousand with its suffix"),
        pytest.param("1e0", "1", id="exponent"),
    ],
)
def test_cores(text: str, want: str) -> None:
    assert cores(text) == want


@pytest.mark.parametrize("text", ["", "two", "2Gi", "-1", "0", "nan", "inf", "m"])
def test_cores_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number of CPU cores"):
        cores(text)


@pytest.mark.parametrize(
    ("amount", "want"),
    [pytest.param(1, "1", id="one"), pytest.param(1500, "1500", id="no unit"), pytest.param(2000, "2k", id="unit")],
)
def test_count(amount: int, want: str) -> None:
    assert count(amount) == want
