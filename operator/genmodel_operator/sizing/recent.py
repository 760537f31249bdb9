"""Models that were planned a short while ago, with what was computed of them.

Facts of a commit never change and are shared by everybody who asks for them, so that a model is
known by the objects that its facts hold. Reading the tensors of a large one takes most of a plan.
"""

from collections import OrderedDict

from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.sizing.server import SizedModel
from genmodel_operator.sizing.shape.read import read_shape

_MOST = 32
_known: OrderedDict[tuple[int, int], tuple[ModelFacts, SizedModel]] = OrderedDict()


def sized_model(facts: ModelFacts) -> SizedModel:
    """Return the model that a repository holds, to be sized; raises ``Unsizable``."""
    key = (id(facts.config), id(facts.tensors))
    # The facts are kept with it, so that no other object gets their identity.
    found = _known.get(key)
    if found is None:
        model = SizedModel(read_shape(facts.config, has_tensors=bool(facts.tensors)), facts.tensors)
        found = _known[key] = (facts, model)
        while len(_known) > _MOST:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return found[1]
