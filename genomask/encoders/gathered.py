"""What a call may want besides its result: the vectors of every layer, and attention maps.

Letters: B sequences, S tokens of a padded row, T packed tokens, D width, N heads.
"""

from typing import Any, NamedTuple

from torch import Tensor

from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.packing import Unpadding, pack, pad

Wanted = bool | int | list[int] | None
"""All or none, or the numbers of those wanted, 0 being the embeddings and -1 the last layer; None: not given."""


class Gathered(NamedTuple):
    """Filled while the layers run, in the form of the input; None: not asked for.

    The layers continue from the very tensors that are kept, so that a caller can ask for their gradients.
    """

    unpadding: Unpadding | None = None
    states: list[Tensor | None] | None = None
    """(B, S, D) or (T, D) each, after the embeddings and after each layer; None for one that is not among `chosen`."""
    chosen: frozenset[int] = frozenset()
    maps: list[Tensor] | None = None
    """(B, N, S, S) each, also for packed input, whose rows have max_seqlen tokens; zeros at padding."""

    @property
    def any(self) -> bool:
        """Whether anything was asked for."""
        return self.states is not None or self.maps is not None

    def keep(self, hidden: Tensor) -> Tensor:
        """(T, D) -> the same, recorded if these vectors were asked for."""
        if self.states is None:
            return hidden
        if len(self.states) not in self.chosen:
            self.states.append(None)
            return hidden
        rows = hidden if self.unpadding is None else pad(hidden, self.unpadding)
        self.states.append(rows)
        return hidden if self.unpadding is None else pack(rows, self.unpadding)

    @property
    def given(self) -> dict[str, Any]:
        """Under the names of transformers' outputs."""
        named = {"hidden_states": self.states, "attentions": self.maps}
        return {name: None if x is None else tuple(x) for name, x in named.items()}


NOTHING = Gathered()


def asked(
    config: MosaicBertConfig,
    unpadding: Unpadding | None,
    output_attentions: bool | None,
    output_hidden_states: Wanted,
) -> Gathered:
    """Empty lists for what the call wants or, where it says nothing, the config."""
    wanted = config.output_hidden_states if output_hidden_states is None else output_hidden_states
    chosen = _numbers(wanted, config.num_hidden_layers + 1)
    maps = config.output_attentions if output_attentions is None else output_attentions
    return Gathered(unpadding, None if chosen is None else [], chosen or frozenset(), [] if maps else None)


def _numbers(wanted: Wanted, count: int) -> frozenset[int] | None:
    """The states to keep among `count`; numbers out of range choose nothing, as in transformers."""
    if wanted is None or wanted is False:
        return None
    if wanted is True:
        return frozenset(range(count))
    numbers = [wanted] if isinstance(wanted, int) else wanted
    return frozenset(n % count for n in numbers if -count <= n < count)
