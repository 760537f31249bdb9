"""States of constant size per request: gated delta nets, Mamba and short convolutions."""

from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.formats import AUTO, element_bytes, served_bytes
from genmodel_operator.sizing.cache.history import StateMode
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.shape.model import GatedDeltaNet, Mamba2, ModelShape

StateMixer = GatedDeltaNet | Mamba2


def state_bytes(mixer: StateMixer, shape: ModelShape, settings: CacheSettings) -> int:
    """Return the bytes of the state of one request in one layer on one device."""
    width = mixer.state_element_bytes
    if settings.state_dtype not in (None, AUTO):
        width = element_bytes(settings.state_dtype)
    tensor_parallel = settings.tensor_parallel
    has_convolution = mixer.conv_kernel > 1
    kept_inputs = mixer.conv_kernel - 1 + settings.num_speculative_tokens if has_convolution else 0
    convolution = kept_inputs * (_convolved(mixer, tensor_parallel) // tensor_parallel)
    return convolution * served_bytes(shape, settings) + _recurrent(mixer) // tensor_parallel * width


def state_pages(mixer: StateMixer, settings: CacheSettings, mode: StateMode) -> int:
    """Return the states that a request keeps beside those at the ends of blocks."""
    drafted = settings.num_speculative_tokens
    if mode is StateMode.ALL:
        return drafted if history.drafts_with_all_states(settings.release) else 0
    states = 1 + (drafted if history.counts_drafted_states(settings.release) else 0)
    if mode is StateMode.NONE:
        return states
    checkpoint = isinstance(mixer, Mamba2) and mixer.groups > 0 and history.checkpoints_prefill(settings.release)
    return states + (2 if checkpoint else 1)


def _convolved(mixer: StateMixer, tensor_parallel: int) -> int:
    """Return the channels of the convolution on all devices; groups are copied where there are fewer of them."""
    if isinstance(mixer, GatedDeltaNet):
        return 2 * mixer.key_heads * mixer.key_dim + mixer.value_heads * mixer.value_dim
    groups = mixer.groups if mixer.groups % tensor_parallel == 0 else tensor_parallel
    return mixer.heads * mixer.head_dim + 2 * groups * mixer.state


def _recurrent(mixer: StateMixer) -> int:
    """Return the elements of the recurrent state on all devices."""
    if isinstance(mixer, GatedDeltaNet):
        return mixer.value_heads * mixer.value_dim * mixer.key_dim
    return mixer.heads * mixer.head_dim * mixer.state
