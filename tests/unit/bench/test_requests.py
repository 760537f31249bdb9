"""Requests of the operator, as its own metrics tell them."""

import os
import time

from bench.process import Requests, cpu_seconds_of, cpu_seconds_of_all, requests_in
from genmodel_operator.observability.metrics import Metrics


def test_they_are_counted_by_verb_over_kinds_and_codes() -> None:
    metrics = Metrics()
    for verb, kind, code in [("get", "Pod", "200"), ("get", "Secret", "404"), ("create", "Service", "201")]:
        metrics.kube_request(verb, kind, code, 0.01)
    assert requests_in(metrics.render().decode()) == Requests({"create": 1.0, "get": 2.0})


def test_reads_and_writes_are_told_apart() -> None:
    found = Requests({"get": 4.0, "list": 2.0, "create": 3.0, "apply_status": 2.0, "take_over": 1.0, "delete": 1.0})
    assert (found.reads, found.writes) == (6.0, 7.0)


def test_what_came_since() -> None:
    since = Requests({"get": 6.0, "create": 1.0}) - Requests({"get": 2.0})
    assert since == Requests({"create": 1.0, "get": 4.0})
    assert since.per(2) == "create 0.50, get 2.00"
    assert Requests({"get": 0.0}).per(1) == "none"


def test_the_processor_time_of_all_holds_that_of_each() -> None:
    before = cpu_seconds_of(os.getpid())
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert cpu_seconds_of(os.getpid()) - before >= 0.15
    assert cpu_seconds_of_all() >= cpu_seconds_of(os.getpid())
