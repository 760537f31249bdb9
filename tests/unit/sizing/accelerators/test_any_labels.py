"""Whatever stands in labels, reading them never fails and never makes more of a device than it says."""

from hypothesis import example, given
from hypothesis import strategies as st

from genmodel_operator.sizing.accelerators import KNOWN_PRODUCTS, InventoryRules, read_inventory
from genmodel_operator.sizing.accelerators.signature import _READ
from genmodel_operator.sizing.plan import ServingPlan
from tests import builders_nodes as nodes
from tests.builders_nodes import labelled
from tests.builders_sizing import TINY_CHAT, facts_of, planned

SETS = [
    value for name, value in vars(nodes).items() if name.isupper() and isinstance(value, dict) and "key" not in value
]
KEYS = sorted({key for labels in SETS for key in labels} | set(_READ))
VALUES = sorted({value for labels in SETS for value in labels.values()} | {product.name for product in KNOWN_PRODUCTS})
RESOURCES = [
    "nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-3g.20gb", "nvidia.com/mig-1g.5gb.shared",
    "nvidia.com/mig-", "amd.com/gpu", "amd.com/cpx_nps4", "gpu.intel.com/i915", "habana.ai/gaudi", "google.com/tpu",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(VALUES),
    st.integers(-1, 10**15).map(str),
    st.text(max_size=63),
    st.sampled_from(["", "²", "٣", "-MIG-", "0x10", "1e3", " 8", "8g.80gb", "0g.0gb"]),
)
LABELS = st.one_of(
    st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=12),
    st.tuples(st.sampled_from(SETS), st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=3)).map(
        lambda pair: pair[0] | pair[1]
    ),
)
DEVICES = st.dictionaries(st.sampled_from(RESOURCES), st.integers(0, 64).map(str), max_size=3)
OF_NOTHING = nodes.KARPENTER_A10G | {"cloud.google.com/gke-gpu-partition-size": "0g.0gb"}
RULES = st.booleans().map(lambda allowed: InventoryRules(plan_time_slices=allowed))


@example(labels=OF_NOTHING, devices={"nvidia.com/gpu": "1"}, rules=InventoryRules())
@given(labels=LABELS, devices=DEVICES, rules=RULES)
def test_any_labels_are_read(labels: dict[str, str], devices: dict[str, str], rules: InventoryRules) -> None:
    inventory = read_inventory([labelled(labels, devices)], rules)
    found = {group.resource: group for group in inventory.groups if group.is_gpu}
    assert set(found) == {name for name, count in devices.items() if int(count) > 0}
    for group in found.values():
        assert group.devices_per_node == int(devices[group.resource])
        assert 0 <= group.device_memory_gib < 320
        # What may be planned on has a memory, and labels that its own node carries.
        if group.vendor in {"NVIDIA", "AMD"} and not group.refusal:
            assert group.device_memory_gib > 0
        assert all(labels.get(key, "") == value for key, value in group.selector)


@example(labels=OF_NOTHING, devices={"nvidia.com/gpu": "1"}, rules=InventoryRules())
@given(labels=LABELS, devices=DEVICES, rules=RULES)
def test_a_plan_is_made_or_refused(labels: dict[str, str], devices: dict[str, str], rules: InventoryRules) -> None:
    inventory = read_inventory([labelled(labels, devices)], rules)
    answer = planned(facts_of(TINY_CHAT), inventory=inventory)
    if isinstance(answer, ServingPlan) and answer.is_gpu:
        assert int(devices[answer.resource]) >= answer.count


@given(labels=LABELS, devices=DEVICES, number=st.integers(2, 5))
def test_alike_nodes_are_one_group_each(labels: dict[str, str], devices: dict[str, str], number: int) -> None:
    names = [f"n{index}" for index in range(number)]
    inventory = read_inventory([labelled(labels, devices, name) for name in names])
    assert all(group.node_names == tuple(names) for group in inventory.groups)
