"""Which class the licence of a model card has."""

import pytest

from genmodel_operator.policy.document import LicenseClass
from genmodel_operator.policy.licenses import TABLE, license_class

OPEN, CUSTOM, UNKNOWN = LicenseClass.OPEN, LicenseClass.CUSTOM, LicenseClass.UNKNOWN
NON_COMMERCIAL, RESEARCH = LicenseClass.NON_COMMERCIAL, LicenseClass.RESEARCH_ONLY


@pytest.mark.parametrize(
    ("named", "want"),
    [
        pytest.param("apache-2.0", OPEN, id="Apache"),
        pytest.param("mit", OPEN, id="MIT"),
        pytest.param("Apache-2.0", OPEN, id="in capitals"),
        pytest.param("agpl-3.0", OPEN, id="copyleft is open"),
        pytest.param("cc-by-sa-4.0", OPEN, id="share alike"),
        pytest.param("openmdw-1.1", OPEN, id="a licence for models"),
        pytest.param("cc-by-nc-4.0", NON_COMMERCIAL, id="no commerce"),
        pytest.param("cc-by-nc-sa-4.0", NON_COMMERCIAL, id="no commerce, share alike"),
        pytest.param("cc-by-nd-4.0", CUSTOM, id="no derivatives: a fine-tuned model may be one"),
        pytest.param("apple-amlr", RESEARCH, id="research"),
        pytest.param("fair-noncommercial-research-license", RESEARCH, id="research, not commerce alone"),
        pytest.param("llama3.1", CUSTOM, id="Llama"),
        pytest.param("gemma", CUSTOM, id="Gemma"),
        pytest.param("openrail", CUSTOM, id="terms of use"),
        pytest.param("tongyi-qianwen", CUSTOM, id="a name of its own"),
        pytest.param(None, UNKNOWN, id="none named"),
        pytest.param("", UNKNOWN, id="an empty name"),
        pytest.param("unknown", UNKNOWN, id="named unknown"),
        pytest.param("other", UNKNOWN, id="other without a name"),
        pytest.param("cc", UNKNOWN, id="a family without a member"),
        pytest.param("apache-2.0, mit", OPEN, id="two that are open"),
        pytest.param("apache-2.0, cc-by-nc-4.0", NON_COMMERCIAL, id="the strictest of two"),
        pytest.param("mit, unheard-of", CUSTOM, id="one with its own name"),
        pytest.param("mit, other", UNKNOWN, id="one of which nothing is known"),
    ],
)
def test_class_of_a_licence(named: str | None, want: LicenseClass) -> None:
    assert license_class(named, {}) is want


def test_the_platform_s_word_counts_more() -> None:
    own = {"Acme-Internal": OPEN, "llama3.1": RESEARCH, "mit, gpl-3.0": CUSTOM}
    assert license_class("acme-internal", own) is OPEN
    assert license_class("llama3.1", own) is RESEARCH
    assert license_class("mit, gpl-3.0", own) is CUSTOM
    assert license_class("unknown", {"unknown": OPEN}) is OPEN
    assert license_class(None, {"unknown": OPEN}) is OPEN


LISTED = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
    other
"""
"""Names of huggingface.co/docs/hub/repositories-licenses, as programs that keep the whole list had it in 2026."""


def test_the_table_has_the_hub_s_names_and_every_class() -> None:
    assert set(TABLE) == set(LISTED.split())
    assert set(TABLE.values()) == set(LicenseClass)
