"""A dashboard as a picture: every panel, its series inside it, in valid XML."""

import xml.etree.ElementTree as ET

from bench.pictures import draw
from scripts.generate.monitoring.dashboards import dashboard

SVG = "{http://www.w3.org/2000/svg}"


def test_every_panel_and_series_is_drawn_inside_the_picture() -> None:
    board = dashboard("model")
    answers = {panel["id"]: [("a <name>", [(0.0, 0.5), (60.0, 2.0)])] for panel in board["panels"]}
    root = ET.fromstring(draw(board, answers))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert {panel["title"] for panel in board["panels"]} <= set(texts)
    graphs = [panel for panel in board["panels"] if panel["type"] == "timeseries"]
    lines = list(root.iter(f"{SVG}polyline"))
    assert len(lines) == len(graphs)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        assert points[0][1] > points[1][1], "more is higher up"


def test_a_panel_without_data_is_empty_and_no_error() -> None:
    root = ET.fromstring(draw(dashboard("fleet"), {}))
    assert list(root.iter(f"{SVG}polyline")) == []
