"""From the name of a licence on a model card to the class of its terms.

The names are the Hub's list (huggingface.co/docs/hub/repositories-licenses); a card with ``license: other``
gives a name of its own in ``license_name``. A class is a help for sorting, no legal advice.
"""

from collections.abc import Mapping

from genmodel_operator.policy.document import LicenseClass

_OPEN = """
    apache-2.0 mit afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc0-1.0 cc-by-2.0
    cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0
    wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0
    isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openmdw-1.0 openmdw-1.1 osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
    pddl lgpl-lr
"""
_NON_COMMERCIAL = """
    cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0
"""
_RESEARCH_ONLY = "h-research intel-research apple-amlr fair-noncommercial-research-license deepfloyd-if-license"
# Terms that name uses, sizes of companies or other conditions: somebody has to read them.
_CUSTOM = """
    openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m openrail++
    cc-by-nd-4.0 apple-ascl llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma grok2-community
"""
# A family without a member, and names that say nothing.
_UNKNOWN = "cc unknown other"

TABLE: Mapping[str, LicenseClass] = {
    name: found
    for names, found in (
        (_OPEN, LicenseClass.OPEN),
        (_NON_COMMERCIAL, LicenseClass.NON_COMMERCIAL),
        (_RESEARCH_ONLY, LicenseClass.RESEARCH_ONLY),
        (_CUSTOM, LicenseClass.CUSTOM),
        (_UNKNOWN, LicenseClass.UNKNOWN),
    )
    for name in names.split()
}
"""Class of every licence of the Hub's list."""

_STRICTNESS = (
    LicenseClass.OPEN,
    LicenseClass.CUSTOM,
    LicenseClass.NON_COMMERCIAL,
    LicenseClass.RESEARCH_ONLY,
    LicenseClass.UNKNOWN,
)


def license_class(named: str | None, own: Mapping[str, LicenseClass]) -> LicenseClass:
    """Return the class of a licence as the model card names it; ``own`` wins over the table.

    A name outside the list has terms of its own. Of several names, separated by commas, the strictest
    counts: nobody knows which part of the model each is for.
    """
    whole = _known(named or "unknown", own)
    if whole is not None:
        return whole
    parts = [part.strip() for part in (named or "").split(",")]
    return max((_known(part, own) or LicenseClass.CUSTOM for part in parts), key=_STRICTNESS.index)


def _known(name: str, own: Mapping[str, LicenseClass]) -> LicenseClass | None:
    lowered = name.lower()
    return {key.lower(): value for key, value in own.items()}.get(lowered) or TABLE.get(lowered)
