"""Hashes that tell whether an object is still what was applied."""

from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.resources.hashing import canonical_json, sha256_of, with_desired_hash


def an_object(**metadata: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "a", **metadata}, "spec": {"x": 1, "y": [1, 2]}}


def hash_of(desired: dict[str, Any]) -> str:
    return str(with_desired_hash(desired)["metadata"]["annotations"][labels.DESIRED_HASH])


def test_key_order_does_not_matter_and_list_order_does() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"\\u00e9","b":1}'
    assert sha256_of({"b": 1, "a": 2}) == sha256_of({"a": 2, "b": 1})
    assert sha256_of([1, 2]) != sha256_of([2, 1])


def test_a_whole_float_is_the_integer_that_the_server_makes_of_it() -> None:
    assert canonical_json({"a": [2.0, 0.9, 1e300]}) == canonical_json({"a": [2, 0.9, int(1e300)]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param([22.0, 1e16, -3.0], "[22,10000000000000000,-3]", id="whole floats"),
        pytest.param([0.5, 1.5e-7, 123456789.25], "[0.5,1.5e-07,123456789.25]", id="other floats"),
        pytest.param({"a": 2.0, "b": "x: 2.0,"}, '{"a":2,"b":"x: 2.0,"}', id="a text that looks like one stays"),
        pytest.param({"b": 'q"2.0}'}, '{"b":"q\\"2.0}"}', id="a text alone stays"),
        pytest.param(2.0, "2", id="nothing around it"),
        pytest.param({"a": (1, True, None)}, '{"a":[1,true,null]}', id="no float"),
    ],
)
def test_numbers_in_canonical_json(value: Any, want: str) -> None:
    assert canonical_json(value) == want


def test_the_original_is_left_as_it_is() -> None:
    desired = an_object()
    with_desired_hash(desired)
    assert desired == an_object()


def test_the_hash_has_16_hex_digits() -> None:
    assert len(hash_of(an_object())) == 16
    int(hash_of(an_object()), 16)


def test_hashing_twice_changes_nothing() -> None:
    once = with_desired_hash(an_object())
    assert with_desired_hash(once) == once


def test_other_annotations_stay_and_count() -> None:
    desired = an_object(annotations={"note": "x"})
    assert with_desired_hash(desired)["metadata"]["annotations"]["note"] == "x"
    assert hash_of(desired) != hash_of(an_object())


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({**an_object(), "spec": {"x": 2, "y": [1, 2]}}, id="another value"),
        pytest.param({**an_object(), "spec": {"x": 1, "y": [2, 1]}}, id="another order"),
        pytest.param(an_object(labels={"a": "b"}), id="another label"),
    ],
)
def test_a_change_changes_the_hash(changed: dict[str, Any]) -> None:
    assert hash_of(changed) != hash_of(an_object())
