"""The weights of a model as the engine keeps them: from the headers of its files, else from its shape.

What the engine logs as "Model loading took" is the sum of the tensors that a rank keeps after
conversion, and what it computes at start: tables of rotary positions, and copies of the projections
of latent attention. For Llama-3.1-8B in bfloat16: 14.9576 + 0.0313 = 14.9888 GiB, as logged.
"""

from collections.abc import Iterable, Mapping, Sequence

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.model import (
    Attention,
    CrossAttention,
    EncoderAttention,
    LatentAttention,
    Layer,
    Mixture,
    ModelShape,
    Quantization,
    RotaryTable,
    Unsizable,
)
from genmodel_operator.sizing.shape.read import served_dtype
from genmodel_operator.sizing.tensors.counts import check_counts, is_rough, tower_elements
from genmodel_operator.sizing.tensors.model import Part
from genmodel_operator.sizing.tensors.modules import MatrixFormats
from genmodel_operator.sizing.tensors.mxfp4 import KernelExperts, KernelForm, kernel_form
from genmodel_operator.sizing.tensors.names import Division, Place, Role, block_of, is_word_table, role_of
from genmodel_operator.sizing.tensors.scheme import WIDTH, matrix_bytes, scheme_of
from genmodel_operator.sizing.tensors.stored import Stored, kept_tensors
from genmodel_operator.sizing.tensors.synthesis import Matrix, draft_matrices, ends, layer_matrices
from genmodel_operator.sizing.tensors.table import Content, Piece, WeightTable, distinct, summed

VOCAB_PADDING = 64
"""The engine pads the vocabulary to a multiple of this before it divides it."""


def read_weights(
    shape: ModelShape,
    tensors: Sequence[Tensor] | None = None,
    *,
    parameters: Mapping[str, int] | None = None,
    dtype: str | None = None,
    quantization: str | None = None,
    with_draft: bool = False,
    engine: tuple[int, int] = (0, 32),
    capability: tuple[int, int] | None = None,
) -> WeightTable:
    """Return the weights of a model.

    Args:
        shape: of the model.
        tensors: of the files, from their headers; None or empty: the architecture's own are used.
        parameters: elements by type as the Hub counts them; checks the sum and fills in towers.
        dtype: the engine's ``--dtype``: bfloat16, float16 or float32; None: auto.
        quantization: the engine's ``--quantization``; None: as the files are.
        with_draft: the checkpoint's own drafting layers are loaded for speculative decoding.
        engine: release of vLLM.
        capability: compute capability of the device, None where it is not known. Release and device
            decide which kernel computes experts in MXFP4, and so how these are padded.

    Raises ``Unsizable`` where a size is missing or the format is not one that can be computed.

    """
    width = WIDTH[dtype or served_dtype(shape)]
    scheme = scheme_of(shape.quantization, quantization)
    reader = _Reader(
        shape,
        scheme,
        width,
        engine=engine,
        kernel=kernel_form(engine, capability),
        is_online=shape.quantization is None and scheme is not None,
    )
    if tensors:
        return reader.from_headers(tensors, with_draft=with_draft)
    return reader.from_shape(parameters, with_draft=with_draft)


class _Reader:
    """Turns tensors into pieces."""

    def __init__(
        self,
        shape: ModelShape,
        scheme: Quantization | None,
        width: int,
        *,
        engine: tuple[int, int],
        kernel: KernelForm,
        is_online: bool,
    ) -> None:
        self.shape, self.scheme, self.width = shape, scheme, width
        self.engine, self.kernel, self.is_online = engine, kernel, is_online
        self.heads = {index: found for index, layer in enumerate(shape.layers) if (found := _heads(layer))}
        self.formats = MatrixFormats(scheme)

    def from_shape(self, parameters: Mapping[str, int] | None, *, with_draft: bool) -> WeightTable:
        """Return the weights of the architecture."""
        if self.shape.unknown:
            names = " and ".join(self.shape.unknown)
            raise Unsizable(
                "MissingConfigField", f"config.json has no {names}; without it the weights cannot be computed: add it"
            )
        made: dict[Layer | int, tuple[Content, ...]] = {}
        for index, layer in enumerate(self.shape.layers):
            key = index if self.formats.names_layers else layer
            if key not in made:
                made[key] = self._layer(layer, index)
        layers = [made[index if self.formats.names_layers else layer] for index, layer in enumerate(self.shape.layers)]
        first, last, every = self._ends(ends(self.shape))
        warnings = check_counts(self.shape, parameters)
        if self.scheme is not None and self.scheme.assumed:
            warnings.append(self.scheme.assumed)
        tower = tower_elements(self.shape, parameters)
        if tower:
            every.append(Piece(Part.VISION, Division.EVEN, tower * self.width))
        if is_rough(self.shape, parameters):
            warnings.append(
                "the size of the encoder of images or sound is an estimate: config.json does not tell all of it"
            )
        if with_draft:
            last += [
                self._piece(matrix) for n in range(self.shape.draft_layers) for matrix in draft_matrices(self.shape, n)
            ]
        return self._table(layers, first, last, every, warnings)

    def from_headers(self, tensors: Sequence[Tensor], *, with_draft: bool) -> WeightTable:
        """Return the weights of the files."""
        count = len(self.shape.layers)
        layers: list[list[Piece]] = [[] for _ in range(count)]
        first: list[Piece] = []
        last: list[Piece] = []
        every: list[Piece] = []
        places = {Place.FIRST: first, Place.LAST: last, Place.EVERY: every}
        for stored in kept_tensors(tensors, self.shape, with_draft=with_draft):
            piece = self._stored(stored)
            if stored.layer is None:
                places[stored.role.place].append(piece)
            elif stored.layer < count:
                layers[stored.layer].append(piece)
            else:
                last.append(piece)
        made = [self._in_kernel_format(pieces, layer) for pieces, layer in zip(layers, self.shape.layers, strict=True)]
        return self._table(made, first, last, every, [])

    def _table(
        self,
        layers: Sequence[tuple[Content, ...]],
        first: list[Piece],
        last: list[Piece],
        every: list[Piece],
        warnings: list[str],
    ) -> WeightTable:
        rotary = sum(self._rotary_bytes(table) for table in self.shape.rotary)
        every.append(Piece(Part.ROTARY, Division.WHOLE, rotary))
        absorbed = [self._with_absorbed(pieces, layer) for pieces, layer in zip(layers, self.shape.layers, strict=True)]
        kinds, order = distinct(absorbed)
        words = [piece for piece in first if piece.part is Part.EMBEDDINGS and piece.division is Division.EVEN]
        again = tuple(words) if self.shape.tied_embeddings else ()
        return WeightTable(kinds, order, summed(first), summed(last), summed(every), again, tuple(warnings))

    def _rotary_bytes(self, table: RotaryTable) -> int:
        times = 4 if table.fourfold_before is not None and self.engine < table.fourfold_before else 1
        return times * table.rows * table.dim * (table.element_bytes or self.width)

    def _with_absorbed(self, pieces: tuple[Content, ...], layer: Layer) -> tuple[Content, ...]:
        """Add the copies of latent attention's projections that the engine multiplies by directly."""
        latent = layer.mixer
        if not isinstance(latent, LatentAttention):
            return pieces
        unit = latent.heads * latent.kv_rank * self.width
        keys = Piece(Part.ATTENTION, Division.EVEN, unit * latent.nope_dim, "W_UK_T")
        return (*pieces, keys, Piece(Part.ATTENTION, Division.EVEN, unit * latent.value_dim, "W_UV"))

    def _layer(self, layer: Layer, index: int) -> tuple[Content, ...]:
        pieces = [
            self._piece(matrix)
            for matrix in layer_matrices(self.shape, layer, index)
            if not self._is_kernel_format(matrix)
        ]
        if isinstance(layer.mlp, Mixture) and self._has_kernel_format():
            return (*summed(pieces), self._kernel_experts(layer.mlp))
        return summed(pieces)

    def _has_kernel_format(self) -> bool:
        return self.scheme is not None and self.scheme.method == "mxfp4"

    def _is_kernel_format(self, matrix: Matrix) -> bool:
        return self._has_kernel_format() and ".experts." in matrix.name

    def _kernel_experts(self, mixture: Mixture) -> KernelExperts:
        return KernelExperts(mixture, mixture.latent or self.shape.hidden, self.kernel)

    def _in_kernel_format(self, pieces: Iterable[Piece], layer: Layer) -> tuple[Content, ...]:
        """Put the experts in the form that the kernels want in the place of the stored ones."""
        if not self._has_kernel_format() or not isinstance(layer.mlp, Mixture):
            return summed(pieces)
        others = [piece for piece in pieces if piece.division is not Division.EXPERTS]
        return (*summed(others), self._kernel_experts(layer.mlp))

    def _ends(self, matrices: Iterable[Matrix]) -> tuple[list[Piece], list[Piece], list[Piece]]:
        places: dict[Place, list[Piece]] = {Place.FIRST: [], Place.LAST: [], Place.EVERY: []}
        for matrix in matrices:
            role = self._role(matrix)
            places[role.place].append(self._piece(matrix))
        return places[Place.FIRST], places[Place.LAST], places[Place.EVERY]

    def _role(self, matrix: Matrix) -> Role:
        return role_of(matrix.name, dims=1 if matrix.inputs == 1 else 2, is_vector=matrix.inputs == 1)

    def _piece(self, matrix: Matrix) -> Piece:
        role = self._role(matrix)
        outputs = padded_vocab(matrix.outputs) if is_word_table(matrix.name) and matrix.inputs > 1 else matrix.outputs
        scheme = self.formats.of(matrix, role)
        width = matrix.element_bytes or self.width
        size = matrix.count * matrix_bytes(outputs, matrix.inputs, scheme, width)
        return self._made(role, size, "" if matrix.inputs == 1 else block_of(matrix.name))

    def _stored(self, stored: Stored) -> Piece:
        size = stored.size_bytes(self.width, self.scheme, is_online=self.is_online)
        return self._made(stored.role, size, block_of(stored.tensor.name))

    def _made(self, role: Role, size: int, block: str) -> Piece:
        experts = 1
        if role.division is Division.EXPERTS and role.layer is not None and role.layer < len(self.shape.layers):
            mlp = self.shape.layers[role.layer].mlp
            experts = mlp.experts if isinstance(mlp, Mixture) else 1
        if role.division in (Division.KEYS, Division.QUERIES_AND_KEYS):
            heads = self.heads.get(role.layer) if role.layer is not None else None
            if heads is None:  # of linear attention, all of whose heads are divided alike
                return Piece(role.part, Division.EVEN, size, block)
            return Piece(role.part, role.division, size, block, heads=heads[0], kv_heads=heads[1])
        return Piece(role.part, role.division, size, block, experts=experts)


def padded_vocab(vocab: int) -> int:
    """Return the rows that the engine gives the vocabulary."""
    return -(-vocab // VOCAB_PADDING) * VOCAB_PADDING


def _heads(layer: Layer) -> tuple[int, int] | None:
    mixer = layer.mixer
    if isinstance(mixer, Attention | CrossAttention | EncoderAttention):
        return mixer.heads, mixer.kv_heads
    return None
