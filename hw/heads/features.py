"""The ports of what gathers a head's features, whichever way it does."""

from amaranth.hdl import signed, unsigned
from amaranth.lib.wiring import In, Member, Out

from hw.heads.serial_plan import SerialPlan

__all__ = ["feature_members"]


def feature_members(plan: SerialPlan) -> dict[str, Member]:
    """See `hw.heads.feature_sums.FeatureSums`, which says what they mean."""
    shape = signed if plan.on_stream else unsigned
    return {
        "valid": In(1),
        "word": In(plan.pixels * plan.value_bits),
        "channel": In(range(max(plan.channels, 2))),
        "first_tile": In(1),
        "last_tile": In(1),
        "take": In(1),
        "feature": Out(shape(plan.feature_bits)),
    }
