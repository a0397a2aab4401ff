"""What a network may hold that the engine cannot do, refused by name before any work."""

from collections.abc import Iterator

from model.errors import UserError
from model.network import Network

__all__ = ["check_supported"]


def check_supported(network: Network) -> None:
    """Raises UserError, in one line that names the layer, for the first thing the engine lacks."""
    for what, lacking in _lacking(network):
        raise UserError(f"{what}: {lacking} run in the integer model only, the engine has none yet")


def _lacking(network: Network) -> Iterator[tuple[str, str]]:
    for layer in network.convs:
        what = f"layer {layer.name}"
        if layer.in_bits > 1 and layer.weight_bits > 1:
            yield what, "activations and weights that both have several bits"
