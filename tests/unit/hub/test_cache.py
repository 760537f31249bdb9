"""What is remembered, and for how long."""

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub import cache
from genmodel_operator.hub.cache import BranchCache, FactsCache, Known, Place
from genmodel_operator.hub.facts import Refused
from tests.builders import a_tensor, some_facts

PLACE = Place("http://hub", "acme/tiny")


def with_tensors(count: int) -> Known:
    tensor = a_tensor("w", (1,))
    return Known(some_facts(tensors=(tensor,) * count), restricted=False)


def test_facts_are_found_by_place_and_commit() -> None:
    facts, known = FactsCache(), with_tensors(1)
    facts.put(PLACE, "a" * 40, known)
    assert facts.get(PLACE, "a" * 40) is known
    assert facts.get(PLACE, "b" * 40) is None
    assert facts.get(Place("http://other", "acme/tiny"), "a" * 40) is None


def test_the_least_recently_used_goes_first() -> None:
    facts, half = FactsCache(), cache.LARGEST_TENSORS // 2
    for commit in ("a", "b"):
        facts.put(PLACE, commit, with_tensors(half))
    facts.get(PLACE, "a")
    facts.put(PLACE, "c", with_tensors(half))
    assert facts.get(PLACE, "b") is None
    assert facts.get(PLACE, "a") is not None


def test_one_model_larger_than_the_cache_is_kept_alone() -> None:
    facts = FactsCache()
    facts.put(PLACE, "a", with_tensors(1))
    facts.put(PLACE, "b", with_tensors(cache.LARGEST_TENSORS + 1))
    assert facts.get(PLACE, "a") is None
    assert facts.get(PLACE, "b") is not None


def test_a_commit_that_is_put_again_counts_once() -> None:
    facts, half = FactsCache(), cache.LARGEST_TENSORS // 2
    for _ in range(3):
        facts.put(PLACE, "a", with_tensors(half))
    facts.put(PLACE, "b", with_tensors(half))
    assert facts.get(PLACE, "a") is not None


def test_refusals_count_as_entries() -> None:
    facts = FactsCache()
    refused = Known(Refused(Reason.NO_WEIGHTS, repository="a/b", commit="c"), restricted=False)
    for number in range(cache.LARGEST_ENTRIES + 1):
        facts.put(PLACE, str(number), refused)
    assert facts.get(PLACE, "0") is None
    assert facts.get(PLACE, "1") is not None


def test_a_branch_is_remembered_for_a_while() -> None:
    now = [100.0]
    branches = BranchCache(seconds=300, clock=lambda: now[0])
    branches.put(PLACE, "main", "me", "a" * 40)
    now[0] = 399.9
    assert branches.get(PLACE, "main", "me") == "a" * 40
    assert branches.get(PLACE, "main", "you") is None
    now[0] = 400
    assert branches.get(PLACE, "main", "me") is None


def test_no_time_at_all_remembers_nothing() -> None:
    branches = BranchCache(seconds=0, clock=lambda: 5.0)
    branches.put(PLACE, "main", "", "a" * 40)
    assert branches.get(PLACE, "main", "") is None


def test_the_number_of_branches_is_bounded() -> None:
    branches = BranchCache(seconds=300, clock=lambda: 0.0)
    for number in range(cache.LARGEST_BRANCHES + 1):
        branches.put(PLACE, str(number), "", "a" * 40)
    assert branches.get(PLACE, "0", "") is None
    assert branches.get(PLACE, "1", "") == "a" * 40
