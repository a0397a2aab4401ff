"""The parameters of an array and of an index port: which there are, and which are legal."""

from dataclasses import dataclass

__all__ = ["ARRAYS", "DEFAULT_BUFFER", "ArrayParameters", "IndexPort"]

ARRAYS = ("direct", "shared")
KERNEL_BITS = 9
# Index words kept behind an index port: for C = 16 all of a layer up to 128 x 128 channels, in two
# and a half block RAMs of 36 kbit at tau 5 and four at tau 9.
DEFAULT_BUFFER = 1024
MOST_PORT_BITS = 1024
MOST_BUFFER = 1 << 20


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
    def index_bits(self) -> int:
        """Bits of an index word: an index a channel."""
        return self.channels * self.tau

    @property
    def steps(self) -> int:
        """Table-filling steps of a group: F channels each."""
        return self.channels // self.fill if self.fill else 0

    @property
    def kernel_applications(self) -> int:
        """Kernel applications a cycle: pixels x channels."""
        return self.pixels * self.channels


@dataclass(frozen=True)
class IndexPort:
    """A port that index words come through, in place of a memory on chip.

    ``bits`` come a cycle at most; ``buffer_words`` index words are kept, a power of two.
    Raises ValueError with a message that says what would be legal.
    """

    bits: int
    buffer_words: int = DEFAULT_BUFFER

    def __post_init__(self) -> None:
        _whole("index port bits", self.bits, 1, MOST_PORT_BITS)
        _whole("index buffer words", self.buffer_words, 2, MOST_BUFFER)
        if self.buffer_words.bit_count() != 1:
            raise ValueError(f"index buffer words must be a power of two, not {self.buffer_words}")
