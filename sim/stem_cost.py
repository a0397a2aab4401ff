"""What a network's stem would cost on the engine's part, beside the convolutions that are there.

    python -m sim.stem_cost

For each published network with a stem: its multiply-accumulates, the cycles that they take on all
DSP blocks of an Artix-7 35T, one a block and cycle, and the cycles of the 3x3 convolutions at 512
kernel applications a cycle.
"""

from model.bits import TAPS
from model.network import Conv
from sim.networks import NETWORKS, published_network

__all__ = ["DSP_BLOCKS", "main", "stem_cost"]

DSP_BLOCKS = 90  # of an XC7A35T
KERNEL_APPLICATIONS = 512
TAU = 5


def stem_cost(name: str) -> tuple[int, int, int]:
    """Multiply-accumulates of the stem, its cycles, and those of the 3x3 convolutions."""
    network = published_network(name, TAU, seed=0)
    convs = sum(conv.macs for conv in network.convs if isinstance(conv, Conv))
    macs = network.stem.macs
    return macs, -(-macs // DSP_BLOCKS), -(-convs // (TAPS * KERNEL_APPLICATIONS))


def main() -> None:
    """Prints a line a network."""
    for name, parts in NETWORKS.items():
        if not hasattr(parts, "kernel"):
            continue
        macs, cycles, convs = stem_cost(name)
        print(
            f"{name}: stem {macs:,} multiply-accumulates, {cycles:,} cycles on {DSP_BLOCKS} DSP "
            f"blocks; 3x3 convolutions {convs:,} cycles at {KERNEL_APPLICATIONS} kernel "
            "applications a cycle"
        )


if __name__ == "__main__":
    main()
