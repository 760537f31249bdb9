"""All generated files with their texts."""

from pathlib import Path

from genmodel_operator.api.crd import CRD_NAME, build_crd, to_yaml
from scripts.generate import chart, chart_readme, reference
from scripts.generate.monitoring.dashboards import DASHBOARDS, dashboard_file
from scripts.generate.monitoring.reference import metrics
from scripts.generate.monitoring.rules import rules_file

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "genmodel"
REFERENCE = ROOT / "docs" / "reference"
CRD_FILE = ROOT / "crds" / f"{CRD_NAME.partition('.')[2]}_{CRD_NAME.partition('.')[0]}.yaml"


def outputs() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    crd = build_crd()
    values = CHART / "values.yaml"
    values_text = chart.values(values.read_text())
    prose = Path(__file__).with_name("chart-readme.md").read_text()
    return {
        CRD_FILE: to_yaml(crd),
        CHART / "templates" / "crds.yaml": chart.crd_template(crd),
        CHART / "templates" / "_settings.tpl": chart.settings_template(),
        CHART / "values.schema.json": chart.values_schema(Path(__file__).with_name("values.schema.yaml").read_text()),
        values: values_text,
        CHART / "README.md": chart_readme.readme(prose, values_text),
        REFERENCE / "api.md": reference.api(crd),
        REFERENCE / "reasons.md": reference.reasons(),
        REFERENCE / "settings.md": reference.settings(),
        REFERENCE / "cli.md": reference.command_line(),
        REFERENCE / "metrics.md": metrics(),
        CHART / "files" / "genmodel.rules.yaml": rules_file(),
        **{CHART / "files" / "dashboards" / f"{name}.json": dashboard_file(name) for name in DASHBOARDS},
    }
