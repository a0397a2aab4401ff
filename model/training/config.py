"""What decides a training run, and sound defaults for each data set. Needs no torch."""

import shlex
from dataclasses import asdict, dataclass, fields

__all__ = ["DEFAULTS", "PRECISIONS", "TrainConfig"]

PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that the result depends on, apart from the data and the versions.

    ``rate`` is the peak of a one-cycle schedule of Adam; learnt codebooks run at
    ``codebook_rate`` times it, as an entry has to travel 1.0 to flip. From the share ``settle``
    of the steps on, batch norm uses its running statistics, as the exported network will, and
    streams are held to a grid of whole numbers.
    ``shift`` (pixels) and ``flip`` augment the training images; ``smoothing`` is of the labels.
    ``shifts`` gives residual networks learnt shifts before signs and a shifted PReLU; ``padding``
    is what lies around the maps of 3x3 layers. ``precision`` is that of the convolutions of a
    training step: in "bf16" products are exact, and sums of signs up to 256.
    """

    dataset: str = "digits"
    bits: str = "0.56"
    codebook: str = "antipodal"
    net: str = "digits"
    epochs: int = 60
    seed: int = 0
    batch: int = 64
    rate: float = 0.01
    codebook_rate: float = 5.0
    settle: float = 0.4
    smoothing: float = 0.05
    shift: int = 0
    flip: bool = False
    shifts: bool = False
    padding: str = "zero"
    precision: str = "float32"
    threads: int = 2

    @property
    def export_name(self) -> str:
        """Name of the exported network, and of its file without the suffix."""
        return self.dataset.replace("-", "_")

    def command(self) -> str:
        """The command that repeats this run; options at their defaults are left out."""
        usual = DEFAULTS[self.dataset]
        words = ["python", "-m", "model.train", "--dataset", self.dataset]
        # These say most, so they are always there.
        always = ("bits", "codebook", "net", "epochs", "seed")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "dataset":
                continue
            if field.name in always or value != getattr(usual, field.name):
                option = field.name.replace("_", "-")
                if isinstance(value, bool):
                    words.append(f"--{option}" if value else f"--no-{option}")
                else:
                    words += [f"--{option}", str(value)]
        return shlex.join(words)

    def difference(self, other: object) -> str | None:
        """The first option in which ``other`` (meant to be a dict of this class) differs."""
        if not isinstance(other, dict):
            return "options that cannot be read"
        for name, value in asdict(self).items():
            if name not in other or other[name] != value or type(other[name]) is not type(value):
                return f"--{name.replace('_', '-')} {other.get(name)} instead of {value}"
        return None


DEFAULTS = {
    "digits": TrainConfig(),
    "mnist": TrainConfig(
        "mnist", net="small", epochs=8, batch=100, rate=0.005, settle=0.3, shift=1
    ),
    "fashion-mnist": TrainConfig(
        "fashion-mnist", net="small", epochs=20, batch=100, rate=0.005, settle=0.3, flip=True
    ),
    "cifar10": TrainConfig(
        "cifar10", net="cnv", epochs=30, rate=0.005, settle=0.3, shift=4, flip=True
    ),
    "cifar100": TrainConfig(
        "cifar100", net="cnv", epochs=30, rate=0.005, settle=0.3, shift=4, flip=True
    ),
    "imagenet": TrainConfig(
        "imagenet", net="resnet18_imagenet", epochs=100, batch=512, rate=0.001, smoothing=0.1,
        settle=0.8, flip=True,
    ),
}
