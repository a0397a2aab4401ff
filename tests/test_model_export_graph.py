"""Graphs that cannot be exported are named by module path, with what to use instead."""

import pytest

torch = pytest.importorskip("torch")

from residual_nets import Everything, noise, wild  # noqa: E402
from torch import nn  # noqa: E402

from model.errors import UserError  # noqa: E402
from model.export import export  # noqa: E402
from model.layers import Head, SubBitConv2d  # noqa: E402
from model.quantised import PixelConv2d, PointConv2d, Quantise  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side
OWN = (2, 9, 8)


def test_a_factor_that_no_stream_can_hold_is_named(seed):
    net = wild(Everything(), seed, OWN)
    with torch.no_grad():
        net.norm2.weight[0] = 1e6
    with pytest.raises(UserError, match=r"^norm2: its largest factor, .* is past 32767"):
        export(net, OWN, "net")


def test_levels_that_fall_between_the_steps_are_named(seed):
    net = wild(Everything(), seed, OWN)
    net.levels.log2_step = -40
    with pytest.raises(UserError, match=r"^levels: its levels lie 2\^-40 apart.*stream1"):
        export(net, OWN, "net")


class Plus(Everything):
    def forward(self, images):
        x = self.stream1(self.norm1(self.conv1(self.input(images))))
        x = x + self.norm2(self.conv2(self.levels(x)))
        return self.head(self.stream2(x))


class TwoSigns(Everything):
    def forward(self, images):
        x = self.stream1(self.norm1(self.conv1(self.input(images))))
        y = self.stream5(self.conv3(self.shifted(x)))
        return self.head(self.stream2(self.norm2(self.conv2(self.levels(x)))) + y.mean())


class TwoNorms(Everything):
    def forward(self, images):
        x = self.conv1(self.input(images))
        return self.head(self.stream2(self.norm2(x), self.stream1(self.norm1(x))))


class PoolFirst(Everything):
    def forward(self, images):
        x = self.conv1(self.input(images))
        return self.head(self.stream1(self.norm1(self.most(x))))


class PooledPlanes(Everything):
    def forward(self, images):
        x = self.most(self.sign(self.norm1(self.conv1(self.input(images)))))
        return self.head(self.stream2(self.norm2(self.conv2(x))))


class MeanOfPlanes(Everything):
    def forward(self, images):
        x = self.mean(self.levels(self.stream1(self.norm1(self.conv1(self.input(images))))))
        return self.head(self.stream2(self.norm2(self.conv2(x))))


class UnpooledStem(Everything):
    def __init__(self):
        super().__init__()
        self.stem, self.most3 = PixelConv2d(2, 8, 3), nn.MaxPool2d(3, 2, 1)

    def forward(self, images):
        x = self.stream1(self.stem(images))
        self.most3(x)
        return self.head(self.stream2(self.norm2(self.conv2(self.levels(x))), x))


class ResidualOfPlanes(Everything):
    def forward(self, images):
        x = self.sign(self.norm1(self.conv1(self.input(images))))
        return self.head(self.stream2(self.norm2(self.conv2(x)), x))


class ManyBits(Everything):
    def forward(self, images):
        x = self.levels(self.norm1(self.conv1(self.input(images))))
        return self.head(self.stream2(self.norm2(self.conv2(x))))


class WrongBits(Everything):
    def forward(self, images):
        x = self.sign(self.norm1(self.conv1(self.input(images))))
        return self.head(self.stream2(self.norm2(self.conv2(x))))


class HeadInTheMiddle(Everything):
    def forward(self, images):
        x = self.stream1(self.norm1(self.conv1(self.input(images))))
        self.stream2(self.norm2(self.conv2(self.levels(x))), x)
        return self.head(x)


class TwoInputs(Everything):
    def forward(self, images):
        x = self.stream1(self.norm1(self.conv1(self.input(images))))
        self.input(images)
        return self.head(x)


@pytest.mark.parametrize(
    ("net", "named"),
    [
        (Plus, r"^stream2: its input is computed outside of any module.*Stream\(\)\(x, residual\)"),
        (TwoSigns, r"^levels: conv1 has shifted already; a layer has one activation"),
        (TwoNorms, r"^norm1: conv1 has norm2 already; a layer has one norm"),
        (PoolFirst, r"^stream1: pooling must come behind the Stream"),
        (PooledPlanes, r"^most: pool a convolution's sums, before the planes are made"),
        (MeanOfPlanes, r"^mean: this pooling must come behind a Stream"),
        (UnpooledStem, r"^conv2: reads the stream of stem before most3; let it read the pooled"),
        (ResidualOfPlanes, r"^stream2: the residual is bit planes, not a Stream's output"),
        (ManyBits, r"^levels: a Quantise of several bits needs a Stream before it"),
        (WrongBits, r"^conv2: is made for inputs of 3 bits and is fed 1: say in_bits=1"),
        (HeadInTheMiddle, r"^head: the head must read the last convolution's output.* conv1"),
        (TwoInputs, r"^input: the image has an encoder already"),
    ],
)
def test_what_cannot_be_exported_is_named(net, named, seed):
    torch.manual_seed(seed)
    made = net()
    made.head = Head(8, 4)
    with pytest.raises(UserError, match=named) as caught:
        export(made, OWN, "net", calibration=noise(seed, 4, OWN))
    assert "\n" not in str(caught.value)


def test_arguments_out_of_range():
    with pytest.raises(UserError, match="weights of 9 bits: must be 1 to 8"):
        PointConv2d(4, 4, weight_bits=9)
    with pytest.raises(UserError, match="activations of 0 bits"):
        Quantise(0)
    with pytest.raises(UserError, match="kernel of 4 has no middle"):
        PixelConv2d(3, 8, 4)
    with pytest.raises(UserError, match="padding 'same' is not one of zero, plus, minus"):
        SubBitConv2d(4, 4, padding="same")
