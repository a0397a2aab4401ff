"""What decides a training run, and sound defaults for each data set. Needs no torch."""

import shlex
from dataclasses import asdict, dataclass, fields

__all__ = ["DECAYS", "DEFAULTS", "FIRSTS", "FLOAT", "FLOAT_RATE", "PRECISIONS", "TrainConfig"]

PRECISIONS = ("float32", "bf16", "float64")
DECAYS = ("cosine", "linear")
FIRSTS = ("none", "binary", "float")
# In place of bits a weight: the float network that teaches others.
FLOAT = "float"
# Its peak rate: latent weights of binary kernels take higher ones.
FLOAT_RATE = 0.002


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
    training step: in "bf16" products are exact, and sums of signs up to 256; in "float64" the
    whole network trains, so that no rounding tells how threads or processes cut up a batch.

    ``teacher`` is the folder of a run with ``bits`` "float", "auto" (train one first) or "none";
    the share ``distil`` of what to aim at is its classes. ``mixup`` is the alpha of mix-up, 0 for
    none. The rate rises over the share ``warmup`` of the steps and then falls by ``decay``. For
    the share ``first_share`` of the steps, weights are as ``first`` says: 1-bit or float.
    ``compile`` passes the training step's network through torch.compile.
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
    teacher: str = "none"
    distil: float = 0.7
    mixup: float = 0.0
    decay: str = "cosine"
    warmup: float = 0.15
    first: str = "none"
    first_share: float = 0.25
    compile: bool = False

    @property
    def exported(self) -> bool:
        """Whether the run ends in a file for the accelerator; a float teacher's does not."""
        return self.bits != FLOAT

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
        """The first option in which ``other`` (meant to be a dict of this class) differs.

        What it lacks counts as the class's default, which is how older versions trained.
        """
        if not isinstance(other, dict):
            return "options that cannot be read"
        usual = asdict(TrainConfig())
        for name, value in asdict(self).items():
            theirs = other.get(name, usual[name])
            if theirs != value or type(theirs) is not type(value):
                return f"--{name.replace('_', '-')} {theirs} instead of {value}"
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
