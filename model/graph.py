"""What a traced network means: its calls gathered into `model.units`.

Every tensor gets a meaning (sums, normed sums, stream, planes), and every module says which it
can follow; what cannot be exported is named by module path, with what to use instead.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from model.errors import UserError
from model.layers import Sign, SubBitConv2d, Thermometer
from model.quantised import Binary, PixelConv2d, PointConv2d, Quantise
from model.streams import ShiftedSign, Stream
from model.units import Graph, Unit, pool_kind
from model.watch import LAYERS, TRANSPARENT, Call

__all__ = ["gather"]


@dataclass(frozen=True, eq=False)
class _Value:
    """What a tensor is: ``kind`` "planes", "sums", "normed", "stream" or "scores", of a unit;
    planes of the input belong to none."""

    kind: str
    unit: Unit | None
    pooled: bool = False


def gather(calls: list[Call], images: Tensor, scores: Tensor) -> Graph:
    """The units of ``calls``; UserError, naming the module, for what cannot be exported."""
    return _Gatherer(images).run(calls, scores)


_CONVS = SubBitConv2d | PointConv2d
_WORDS = {
    "planes": "bit planes",
    "sums": "a convolution's sums",
    "normed": "normed sums",
    "stream": "a stream",
    "scores": "scores",
    "image": "the image",
}


class _Gatherer:
    def __init__(self, images: Tensor):
        self.values: dict[int, _Value] = {id(images): _Value("image", None)}
        self.makers: dict[int, Call] = {}
        self.units: list[Unit] = []
        self.pools: list[Unit] = []  # of streams
        self.entry: Call | None = None
        self.head: tuple[Call, _Value] | None = None

    def run(self, calls: list[Call], scores: Tensor) -> Graph:
        for number, call in enumerate(calls):
            if isinstance(call.module, TRANSPARENT):
                value = self._value(call, call.inputs[0])
            elif not isinstance(call.module, LAYERS):
                names = ", ".join(layer.__name__ for layer in LAYERS)
                kind = type(call.module).__name__
                raise UserError(f"{call.path}: a {kind} cannot be exported; exportable: {names}")
            else:
                value = self._follow(call, number)
            self.values[id(call.output)] = value
            self.makers[id(call.output)] = call
        if self.head is None or self.head[0].output is not scores:
            path = calls[-1].path if calls else "network"
            raise UserError(
                f"{path}: its output is not the network's; the last layer must be a Head"
            )
        return self._finish()

    def _value(self, call: Call, tensor: Tensor) -> _Value:
        value = self.values.get(id(tensor))
        if value is None:
            raise UserError(
                f"{call.path}: its input is computed outside of any module; exportable are the "
                "package's layers, and a sum of two streams as Stream()(x, residual)"
            )
        return value

    def _follow(self, call: Call, number: int) -> _Value:
        value, module = self._value(call, call.inputs[0]), call.module

        def needs(*kinds: str, hint: str) -> None:
            if value.kind not in kinds:
                raise UserError(
                    f"{call.path}: a {type(module).__name__} cannot read {_WORDS[value.kind]}"
                    f"{self._maker(call)}: {hint}"
                )

        unit = value.unit
        if isinstance(module, Thermometer | Binary):
            needs("image", hint="it belongs at the network's input")
            if self.entry is not None:
                raise UserError(f"{call.path}: the image has an encoder already, {self.entry.path}")
            self.entry = call
            return _Value("planes", None)
        if isinstance(module, PixelConv2d):
            needs("image", hint="it belongs at the input; use another convolution")
            return self._unit(call, None)
        if isinstance(module, _CONVS):
            needs("planes", hint="put a Sign or Quantise before it, a Thermometer or Binary first")
            self._read(call, value)
            return self._unit(call, unit)
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            needs("sums", "stream", "planes", hint="pool a convolution's sums or behind a Stream")
            return self._pool(call, value, number)
        if isinstance(module, nn.BatchNorm2d):
            needs("sums", hint="a BatchNorm2d must come after a convolution")
            if module.running_mean is None:
                raise UserError(
                    f"{call.path}: a BatchNorm2d without running statistics has no threshold"
                )
            self._once(unit, "norm", call)
            return _Value("normed", unit, value.pooled)
        if isinstance(module, Stream):
            needs("sums", "normed", hint="a Stream must come after a BatchNorm2d or a convolution")
            return self._stream(call, value, number)
        if isinstance(module, Sign | ShiftedSign | Quantise):
            needs("normed", "stream", hint="put a BatchNorm2d or a Stream before it")
            return self._activation(call, value, number)
        needs("planes", "stream", hint="a Head reads a Sign's or a Stream's output")
        if unit is None:
            raise UserError(f"{call.path}: a network has a convolution before its head")
        self._read(call, value)
        self.head = (call, value)
        return _Value("scores", None)

    def _maker(self, call: Call) -> str:
        maker = self.makers.get(id(call.inputs[0]))
        return f" of {maker.path}" if maker else ""

    def _unit(self, call: Call, source: Unit | None) -> _Value:
        unit = Unit(call, source)
        self.units.append(unit)
        return _Value("sums", unit)

    @staticmethod
    def _once(unit: Unit, part: str, call: Call) -> None:
        """Set a part of a unit that has none of it yet."""
        before = getattr(unit, part)
        if before is not None:
            raise UserError(
                f"{call.path}: {unit.path} has {before.path} already; a layer has one {part}, so "
                "let both readers use the output of one module"
            )
        setattr(unit, part, call)

    @staticmethod
    def _read(call: Call, value: _Value) -> None:
        if value.unit is not None:
            value.unit.readers.append((call.path, value.pooled))

    def _pool(self, call: Call, value: _Value, number: int) -> _Value:
        unit, kind = value.unit, pool_kind(call)
        if unit is None or (value.kind == "planes" and unit.stream is None):
            raise UserError(f"{call.path}: pool a convolution's sums, before the planes are made")
        stem = isinstance(unit.conv.module, PixelConv2d)
        if kind == "max3":
            if not stem or value.kind == "planes":
                raise UserError(f"{call.path}: {unit.path} can have a 2x2 one only")
            self._once(unit, "pool", call)
            unit.pooled_stream = True
            return _Value("stream", unit, True)
        if kind != "max2" and value.kind != "stream":
            raise UserError(f"{call.path}: this pooling must come behind a Stream")
        if value.kind == "sums":
            if stem:
                raise UserError(f"{call.path}: this pooling must come behind a Stream")
            self._once(unit, "pool", call)
            return _Value("sums", unit, True)
        pool = Unit(call, None, call, True, stream=unit.stream, residual=unit, made=number)
        if value.kind == "planes":
            # The largest level is that of the largest number: the stream is pooled.
            pool.activation, pool.pooled_planes = unit.activation, True
        self.units.append(pool)
        self.pools.append(pool)
        return _Value(value.kind, pool)

    def _stream(self, call: Call, value: _Value, number: int) -> _Value:
        unit = value.unit
        if value.pooled:
            raise UserError(f"{call.path}: pooling must come behind the Stream, not before it")
        self._once(unit, "stream", call)
        unit.made = number
        if len(call.inputs) > 1:
            added = self._value(call, call.inputs[1])
            if added.kind != "stream":
                raise UserError(
                    f"{call.path}: the residual is {_WORDS[added.kind]}, not a Stream's output"
                )
            if isinstance(unit.conv.module, PixelConv2d):
                raise UserError(f"{call.path}: nothing can be added to the first layer's stream")
            self._read(call, added)
            unit.residual = added.unit
        return _Value("stream", unit)

    def _activation(self, call: Call, value: _Value, number: int) -> _Value:
        unit, module = value.unit, call.module
        if value.kind == "normed":
            if isinstance(module, Quantise) and module.bits > 1:
                raise UserError(f"{call.path}: a Quantise of several bits needs a Stream before it")
            if isinstance(unit.conv.module, PixelConv2d):
                raise UserError(f"{call.path}: put a Stream between {unit.path} and this")
            unit.made = number
        before = unit.activation
        # The same module run twice on the same stream makes the same planes.
        if before is None or not _alike(before.module, module):
            self._once(unit, "activation", call)
        return _Value("planes", unit, value.pooled)

    def _join(self) -> None:
        """Where nothing reads a stream but one pooling, that belongs to the convolution; one that
        nothing reads goes."""
        for pool in reversed(self.pools):
            if not pool.readers and not any(unit.residual is pool for unit in self.units):
                self.units.remove(pool)
                continue
            unit = pool.residual
            alone = not any(other.residual is unit for other in self.units if other is not pool)
            stem = isinstance(unit.conv.module, PixelConv2d)
            if alone and not (unit.readers or unit.pool or stem):
                pool.conv, pool.source, pool.norm = unit.conv, unit.source, unit.norm
                pool.residual, pool.made = unit.residual, unit.made
                self.units.remove(unit)

    def _finish(self) -> Graph:
        head, value = self.head
        self._join()
        for unit in self.units:
            if unit.made < 0:
                last = unit.norm or unit.conv
                kind = "a Sign or a Stream" if unit.norm else "a BatchNorm2d"
                raise UserError(f"{last.path}: {kind} must come after it")
            if isinstance(unit.conv.module, PixelConv2d) and unit.pool:
                for path, pooled in unit.readers:
                    if not pooled:
                        raise UserError(
                            f"{path}: reads the stream of {unit.path} before {unit.pool.path}; let "
                            "it read the pooled one"
                        )
        stems = [u for u in self.units if isinstance(u.conv.module, PixelConv2d)]
        if len(stems) + (self.entry is not None) != 1:
            again = stems[-1].path if stems else "network"
            raise UserError(
                f"{again}: a network begins with one Thermometer, Binary or PixelConv2d"
            )
        units = sorted((u for u in self.units if u not in stems), key=lambda u: u.made)
        if not units or value.unit is not units[-1]:
            raise UserError(
                f"{head.path}: the head must read the last convolution's output, not that of "
                f"{value.unit.path}"
            )
        return Graph(self.entry, stems[0] if stems else None, tuple(units), head, value.kind)


def _alike(one: nn.Module, other: nn.Module) -> bool:
    return one is other or (type(one) is type(other) is Sign)
