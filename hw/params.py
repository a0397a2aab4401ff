"""The parameters of an array: what shapes it has, and which of them are legal."""

from dataclasses import dataclass

__all__ = ["ARRAYS", "ArrayParameters"]

ARRAYS = ("direct", "shared")
KERNEL_BITS = 9


def _whole(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class ArrayParameters:
    """Shape of an XNOR-popcount array.

    Parameters
    ----------
    array : "direct" recomputes every dot9; "shared" fills tables of responses and looks them up.
    pixels : lanes, each one output position (P).
    channels : input channels worked on in each cycle (C).
    tau : bits of an index; 9 means plain kernels without a codebook (direct only).
    antipodal : the codebook is closed under negation, the top index bit is a sign.
    fill : dot9 units a lane that fill the tables (F), a divisor of channels; 0 for direct.

    Raises ValueError with a message that says what would be legal.
    """

    array: str
    pixels: int
    channels: int
    tau: int
    antipodal: bool = False
    fill: int = 0

    def __post_init__(self) -> None:
        if self.array not in ARRAYS:
            raise ValueError(f"array must be one of {', '.join(ARRAYS)}, not {self.array!r}")
        _whole("pixels", self.pixels, 1, 1024)
        _whole("channels", self.channels, 1, 256)
        if self.tau not in (3, 4, 5, 6, KERNEL_BITS):
            raise ValueError(f"tau must be 3, 4, 5, 6 or 9, not {self.tau!r}")
        if self.tau == KERNEL_BITS and self.array == "shared":
            raise ValueError(
                "a plain binary network (tau 9) has no codebook whose responses could be shared: "
                "use the direct array"
            )
        if self.tau == KERNEL_BITS and self.antipodal:
            raise ValueError("plain kernels (tau 9) have no antipodal codebook")
        if self.array == "direct":
            if self.fill:
                raise ValueError("fill belongs to the shared array; the direct one takes fill 0")
        else:
            _whole("fill", self.fill, 1, self.channels)
            if self.channels % self.fill:
                raise ValueError(
                    f"fill must divide the {self.channels} channels, {self.fill} does not"
                )

    @property
    def has_codebook(self) -> bool:
        return self.tau != KERNEL_BITS

    @property
    def entries(self) -> int:
        """Codebook entries held, and depth of a response table: half of them when antipodal."""
        if not self.has_codebook:
            return 0
        return 1 << (self.tau - self.antipodal)

    @property
    def steps(self) -> int:
        """Table-filling steps of a group: F channels each."""
        return self.channels // self.fill if self.fill else 0

    @property
    def kernel_applications(self) -> int:
        """Kernel applications a cycle: pixels x channels."""
        return self.pixels * self.channels
