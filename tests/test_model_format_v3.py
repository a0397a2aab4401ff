"""Files of format version 3 with something wrong in them: one clear line each, none accepted."""

import copy
import dataclasses
import re

import numpy as np
import pytest
from graph_networks import NETWORKS
from plain_files import read_plainly, refused, write_plainly

from model import format, golden
from model.errors import UserError
from model.network import Network
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images

THREE = {"format": "3"}


def everything(seed: int = 3) -> Network:
    """Every kind of layer, field and tensor in a few hundred bytes."""
    graph = GraphBuilder(seed, (2, 6, 6), stem={"c_out": 5, "out_bits": 2, "prelu": True})
    graph.conv(5, stream=12, residual=-1, prelu=True, padding="plus")
    side = graph.pointwise(7, weight_bits=3, stride=2, source=0, stream=12, out_bits=0)
    graph.conv(7, source=0, stride=2, stream=12, residual=side, out_bits=3)
    graph.pointwise(9, weight_bits=2, flatten=True)
    graph.pointwise(6, stream=10)
    return graph.head(on="stream", flatten=True)


def apart(network: Network, tmp_path) -> tuple[dict, dict[str, np.ndarray]]:
    path = tmp_path / "good.safetensors"
    format.save(network, path)
    return read_plainly(path.read_bytes())


def test_each_tensor_missing_of_another_type_and_of_another_shape(tmp_path):
    description, tensors = apart(everything(), tmp_path)
    path = tmp_path / "bad.safetensors"
    assert {name.split(".")[1] for name in tensors} == {
        "weight", "thresholds", "flips", "multipliers", "offsets", "before", "slopes", "after",
        "codebook", "indices", "codes", "bias",
    }  # fmt: skip

    def change(name: str, tensor: np.ndarray | None) -> None:
        others = {key: value for key, value in tensors.items() if key != name}
        changed = others if tensor is None else others | {name: tensor}
        text = refused(write_plainly(description, changed, THREE), path)
        assert name in text, text

    for name, tensor in tensors.items():
        change(name, None)
        for kind in ("i8", "f4", "u2" if tensor.dtype.kind == "i" else "i2"):
            change(name, tensor.astype(kind))
        change(name, tensor[:-1])
        change(name, np.concatenate([tensor, tensor[:1]]))
        change(name, tensor[None])
        change(name, np.zeros(0, tensor.dtype))
    for name in ("0.before2", "1.thresholds", "2.before", "stem.codebook", "input.thresholds"):
        changed = tensors | {name: np.zeros(7, np.int16)}
        text = refused(write_plainly(description, changed, THREE), path)
        assert name in text and "belongs to no layer" in text


VALUES = (
    None, True, False, 0, -1, -2, 1, 2, 3, 7, 17, 65, 2**31, 2**63, 10**30, 1.0, "", "1", "max3",
    "avg2", "plus", "stem", [], [1], {}, {"bits": 8}, float("nan"), "\n", "x" * 5000,
)  # fmt: skip


def test_every_field_replaced_and_removed(tmp_path):
    """A file is refused in one line, or is a network that runs."""
    network = everything()
    description, tensors = apart(network, tmp_path)
    path = tmp_path / "bad.safetensors"
    places = [(), ("stem",), ("stem", "stream")]
    for n, entry in enumerate(description["layers"]):
        places += [("layers", n)] + ([("layers", n, "stream")] if "stream" in entry else [])
    images = random_images(1, network, 1)
    outcomes = {"refused": 0, "runs": 0}

    def attempt(changed: dict) -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(write_plainly(changed, tensors, THREE))
        try:
            loaded = format.load(path)
        except UserError as error:
            text = str(error).removeprefix(f"{path}: ")
            assert "\n" not in text and len(text) < 300
            outcomes["refused"] += 1
        else:
            golden.classify(loaded, images)
            outcomes["runs"] += 1

    def at(changed: dict, place: tuple) -> dict:
        for step in place:
            changed = changed[step]
        return changed

    optional = {"source", "in_bits", "out_bits", "step", "stride", "residual", "on", "encoding"}
    for place in places:
        for key in set(at(description, place)) | (optional if place else set()):
            if key == "provenance":
                continue
            for value in VALUES:
                changed = copy.deepcopy(description)
                at(changed, place)[key] = value
                attempt(changed)
            changed = copy.deepcopy(description)
            at(changed, place).pop(key, None)
            attempt(changed)
    # What can be changed without harm: names, shifts, steps, pools and widths that still fit.
    assert outcomes["refused"] > 1500 and 10 < outcomes["runs"] < outcomes["refused"] / 4


def edit(*path, **fields):
    """Sets fields of the entry that ``path`` leads to."""

    def apply(description, tensors):
        entry = description
        for step in path:
            entry = entry[step]
        entry.update(fields)

    return apply


def forget(*path):
    def apply(description, tensors):
        entry = description
        for step in path[:-1]:
            entry = entry[step]
        del entry[path[-1]]

    return apply


def spare(name, mask=0x80):
    def apply(description, tensors):
        tensors[name] = tensors[name].copy()
        tensors[name][-1] |= mask

    return apply


def value(name, at, number):
    def apply(description, tensors):
        tensors[name] = tensors[name].astype("<i4" if number >= 1 << 15 else tensors[name].dtype)
        tensors[name][at] = number

    return apply


def both(*changes):
    def apply(description, tensors):
        for change in changes:
            change(description, tensors)

    return apply


LAYER, STREAM = ("layers", 2), ("layers", 2, "stream")
# What is done, and what the line must say.
MEANT = {
    "residual of a later layer": (edit(*STREAM, residual=3), "layer 2 .*residual .*from -1 to 1"),
    "residual of itself": (edit(*STREAM, residual=2), "layer 2 .*residual"),
    "residual of another shape": (edit(*STREAM, residual=0), "layer 2 .*adds a stream of"),
    "residual of a layer without a stream": (
        edit("layers", 4, "stream", residual=3), "layer 4 .*layer 3, which has none"),
    "residual of an input without a stem": (
        both(forget("stem"), edit(encoding="binary"),
             lambda d, t: [t.pop(k) for k in list(t) if k.startswith("stem")]),
        "layer 0"),
    "residual of a stem": (edit("stem", "stream", residual=-1), "stem.*residual.* not known"),
    "residual from before the input": (edit(*STREAM, residual=-2), "residual"),
    "source without planes": (edit("layers", 2, source=1), "layer 2 .*puts out no planes"),
    "source of a later layer": (edit("layers", 2, source=2), "layer 2 .*source .*from -1 to 1"),
    "source of another shape": (edit("layers", 2, source=-1), "layer 2 .*in_bits"),
    "source of another number of bits": (edit("layers", 3, source=0), "layer 3 .*in_bits 3 is"),
    "source of another size": (
        both(edit("layers", 3, source=0), forget("layers", 3, "in_bits")),
        "3|codes"),
    "in_bits that do not match": (edit("layers", 3, in_bits=2), "layer 3 .*in_bits 2 is not 3"),
    "in_bits forgotten": (forget("layers", 0, "in_bits"), "layer 0 .*in_bits 1 is not 2"),
    "in_bits past the end": (edit("layers", 0, in_bits=9), "in_bits must be"),
    "out_bits that are not read": (edit("stem", out_bits=3), "layer 0 .*in_bits 2 is not 3"),
    "out_bits without a stream": (
        edit("layers", 3, out_bits=2), "layer 3 .*needs a stream"),
    "no output at all": (edit("layers", 3, out_bits=0), "3.thresholds|3.flips|layer 3"),
    "step without a stream": (edit("layers", 3, step=1), "layer 3 .*step needs a stream"),
    "step past the stream": (edit(*LAYER, step=12), "layer 2 .*step 12"),
    "padding unknown": (edit("layers", 0, padding="same"), "padding 'same'"),
    "pool of a stem on a layer": (edit("layers", 0, pool="max3"), "pool 'max3'"),
    "mean of a layer without a stream": (edit("layers", 3, pool="avg2"), "pool 'avg2'"),
    "pool of one pixel": (edit("layers", 4, pool="max2"), "1x1 map cannot be pooled"),
    "flattened at stride 2": (edit("layers", 3, stride=2), "flattened map has stride 1"),
    "flatten forgotten": (edit("layers", 3, flatten=False), "3.codes"),
    "weight_bits of nine": (edit("layers", 1, weight_bits=9), "weight_bits must be"),
    "weight_bits of another stream": (edit("layers", 1, weight_bits=5), "1.codes"),
    "stream of one bit": (edit(*STREAM, bits=1), "stream: bits must be .*from 2 to 16"),
    "stream of seventeen bits": (edit(*STREAM, bits=17), "stream: bits must be"),
    "shift of 32": (edit(*STREAM, shift=32), "shift must be .*from 0 to 31"),
    "shift below zero": (edit(*STREAM, shift=-1), "shift must be"),
    "stream as a number": (edit(*LAYER, stream=12), "layer 2 .*stream: is not described"),
    "stream empty": (edit(*LAYER, stream={}), "stream: bits must be"),
    "stream with an unknown field": (edit(*STREAM, gain=1), "stream: the field 'gain'"),
    "stem with an unknown field": (edit("stem", dilation=2), "stem: the field 'dilation'"),
    "network with an unknown field": (edit(skip=[]), "the field 'skip'"),
    "1x1 with a codebook's size": (edit("layers", 1, tau=5), "the field 'tau'"),
    "1x1 with a padding": (edit("layers", 1, padding="zero"), "the field 'padding'"),
    "prelu without its tensors": (edit(*STREAM, prelu=True), "2.before: tensor is missing"),
    "prelu's tensors without it": (
        edit("layers", 0, "stream", prelu=False), "0.after: tensor belongs"),
    "stem without a stream": (forget("stem", "stream"), "stem: has no stream"),
    "stem not described": (forget("stem"), "encoding: is stem exactly"),
    "stem beside planes": (edit(encoding="binary"), "encoding: is stem exactly"),
    "stem of an even kernel": (
        both(edit("stem", kernel=2),
             lambda d, t: t.update({"stem.weight": t["stem.weight"][:, :, :2, :2].copy()})),
        "stem: a kernel of 2"),
    "stem of another kernel": (edit("stem", kernel=5), "stem.weight: shape"),
    "stem's pool": (edit("stem", pool="max2"), "stem: pool 'max2'"),
    "stem at stride 3": (edit("stem", stride=3), "stem: stride must be"),
    "stem of 10^9 channels": (edit("stem", c_out=10**9), "stem: c_out must be"),
    "encoding unknown": (edit(encoding="gray"), "encoding: 'gray'"),
    "encoding as a list": (edit(encoding=["stem"]), "encoding: "),
    "head on what is not": (edit("layers", 5, on="sums"), "sums up 'sums'"),
    "head flattened no more": (edit("layers", 5, height=1, width=2), "5.weight"),
    "spare bits of codes": (spare("1.codes"), "1.codes: the spare bits"),
    "spare bits of flips": (spare("stem.flips"), "stem.flips: the spare bits"),
    "threshold past the stream": (
        value("2.thresholds", 0, 2049), "2.thresholds: must lie from -2048 to 2048"),
    "threshold past the sums": (value("3.thresholds", 0, 32000), "3.thresholds: must lie"),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANT)
def test_meant_corruptions_are_named(case, tmp_path):
    change, named = MEANT[case]
    description, tensors = apart(everything(), tmp_path)
    change(description, tensors)
    text = refused(write_plainly(description, tensors, THREE), tmp_path / "bad.safetensors")
    problem = text.split(": ", 1)[1]
    assert re.search(named, problem), text


def test_a_head_of_planes_needs_planes_of_one_bit(tmp_path):
    graph = GraphBuilder(1)
    graph.conv(4, stream=8, out_bits=2)
    description, tensors = apart(graph.head(on="stream"), tmp_path)
    description["layers"][1]["on"] = "planes"
    path = tmp_path / "bad.safetensors"
    assert "planes of one bit, not of 2" in refused(
        write_plainly(description, tensors, THREE), path
    )
    graph = GraphBuilder(1)
    graph.conv(4)
    description, tensors = apart(graph.head(), tmp_path)
    description["layers"][1]["on"] = "stream"
    assert "the last layer has none" in refused(write_plainly(description, tensors, THREE), path)


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_older_versions_hold_none_of_it(make, tmp_path):
    description, tensors = apart(make(2), tmp_path)
    for version in ("1", "2"):
        blob = write_plainly(description, tensors, {"format": version})
        refused(blob, tmp_path / "bad.safetensors")


POOLS = {
    "an older version": (lambda entry: None, "3", "kind 'pool' is not known"),
    "no pool": (lambda entry: entry.update(pool="none"), "4", "'none' is not max2 or avg2"),
    "a stem's pool": (lambda entry: entry.update(pool="max3"), "4", "'max3' is not max2 or avg2"),
    "of a later layer": (lambda entry: entry.update(of=1), "4", "of must be a whole number from"),
    "of the image": (lambda entry: entry.update(of=-1), "4", "pools the stream of the input"),
    "without a stream": (lambda entry: entry.pop("of"), "4", "of must be a whole number"),
    "another size": (lambda entry: entry.update(height=4), "4", "pools a stream of (4, 5, 6), not"),
    "other channels": (lambda entry: entry.update(channels=3), "4", "shape (4,) is not (3,)"),
    "other bits": (lambda entry: entry.update(bits=9), "4", "a stream of 10 bits, not 9"),
    "a weight": (lambda entry: entry.update(tau=5), "4", "the field 'tau' is not known"),
    "a large step": (lambda entry: entry.update(step=10), "4", "step 10 is past"),
}


@pytest.mark.parametrize(("change", "version", "problem"), POOLS.values(), ids=POOLS)
def test_poolings_that_are_refused(change, version, problem, seed, tmp_path):
    graph = GraphBuilder(seed, (1, 5, 6))
    graph.pool(graph.conv(4, stream=10))
    description, tensors = apart(graph.head(), tmp_path)
    path = tmp_path / "bad.safetensors"
    path.write_bytes(write_plainly(description, tensors, {"format": "4"}))
    assert format.load(path).convs[1].stream.residual == 0
    change(description["layers"][1])
    text = refused(write_plainly(description, tensors, {"format": version}), path)
    assert problem in text and ("layer 1" in text or "1.thresholds" in text)


def test_one_pixel_cannot_be_pooled(seed):
    graph = GraphBuilder(seed, (1, 1, 6))
    graph.pool(graph.conv(4, stream=10))
    with pytest.raises(UserError, match=r"layer 1 \(pool1\): a 1x6 map cannot be pooled 2x2"):
        graph.head()


def test_the_oldest_version_that_will_do(tmp_path):
    """A padding or a source makes a file version 3, and is refused under an older one."""
    network = GraphBuilder(1, (1, 6, 6))
    network.conv(4)
    plain = network.head()
    conv = plain.convs[0]
    path = tmp_path / "n.safetensors"
    format.save(plain, path)
    assert b'"format":"1"' in path.read_bytes()
    description, tensors = read_plainly(path.read_bytes())
    for change in ({"padding": "minus"}, {"source": -1}):
        changed = dataclasses.replace(conv, **change)
        format.save(dataclasses.replace(plain, layers=(changed, plain.head)), path)
        assert b'"format":"3"' in path.read_bytes()
        (key, given), *_ = change.items()
        older = copy.deepcopy(description)
        older["layers"][0][key] = given
        for version in ("1", "2"):
            text = refused(write_plainly(older, tensors, {"format": version}), path)
            assert key in text


def test_flipped_bits_with_a_right_checksum(seed, tmp_path):
    """Any bytes may be in the tensors; then the file is refused, or valid and runs."""
    network = everything()
    description, tensors = apart(network, tmp_path)
    rng = np.random.default_rng(seed)
    path = tmp_path / "bad.safetensors"
    images = random_images(seed, network, 1)
    for _ in range(150):
        changed = {name: tensor.copy() for name, tensor in tensors.items()}
        raw = changed[str(rng.choice(list(changed)))].view(np.uint8).reshape(-1)
        raw[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))
        path.write_bytes(write_plainly(description, changed, THREE))
        try:
            loaded = format.load(path)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            golden.classify(loaded, images)
