"""The exported file: an independent reader, and over a thousand corruptions, none accepted."""

import copy
import dataclasses
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plain_files import ZEROS, read_plainly, refused, seal, write_plainly

from model import format, golden, rules, shipped
from model.errors import UserError
from sim.synthetic import random_images, random_network

ROOT = Path(format.__file__).parent.parent
DIGITS = shipped.resolve("digits")


def test_reader_of_numpy_and_json_alone():
    description, tensors = read_plainly(DIGITS.read_bytes())
    network = format.load(DIGITS)
    assert tuple(description["image"]) == network.image
    assert np.array_equal(tensors["input.thresholds"], network.input_thresholds)
    *convs, head = description["layers"]
    assert head["kind"] == "head" and len(convs) == len(network.convs)
    for place, (entry, conv) in enumerate(zip(convs, network.convs, strict=True)):
        tau, stream = entry["tau"], tensors[f"{place}.indices"]
        bit = [int(byte) >> n & 1 for byte in stream for n in range(8)]
        indices = [
            sum(bit[at * tau + n] << n for n in range(tau))
            for at in range(entry["c_out"] * entry["c_in"])
        ]
        kernels = tensors[f"{place}.codebook"][np.reshape(indices, (entry["c_out"], -1))]
        assert np.array_equal(kernels, conv.kernels)
        assert np.array_equal(tensors[f"{place}.thresholds"], conv.thresholds)
        flips = [int(tensors[f"{place}.flips"][o // 8]) >> o % 8 & 1 for o in range(conv.c_out)]
        assert flips == conv.flips.tolist()
        assert (entry["pool"], entry["padding"]) == (conv.pool, "zero")
    place = len(convs)
    assert np.array_equal(tensors[f"{place}.weight"], network.head.weight)
    assert np.array_equal(tensors[f"{place}.bias"], network.head.bias)


def test_the_test_writer_writes_what_loads(tmp_path):
    path = tmp_path / "same.safetensors"
    path.write_bytes(write_plainly(*read_plainly(DIGITS.read_bytes())))
    first, second = format.load(DIGITS), format.load(path)
    images = random_images(1, first, 20)
    assert np.array_equal(golden.trace(first, images).scores, golden.trace(second, images).scores)


@pytest.mark.parametrize("tau", rules.TAUS)
def test_save_and_load(tau, seed, tmp_path):
    network = random_network(seed, channels=(5, 7), tau=tau, antipodal=False)
    size = format.save(network, tmp_path / "n.safetensors")
    again = format.load(tmp_path / "n.safetensors")
    assert (tmp_path / "n.safetensors").stat().st_size == size
    for a, b in zip(network.convs, again.convs, strict=True):
        assert np.array_equal(a.kernels, b.kernels) and np.array_equal(a.flips, b.flips)
        assert np.array_equal(a.thresholds, b.thresholds)
    assert again.provenance == network.provenance


def test_same_network_same_bytes(tmp_path):
    """In every process: the hashes that order the library's header differ from run to run."""
    code = (
        "import sys; from model import format; format.save(format.load(sys.argv[1]), sys.argv[2])"
    )
    blobs = []
    for turn in range(3):
        path = tmp_path / f"{turn}.safetensors"
        subprocess.run([sys.executable, "-c", code, DIGITS, path], cwd=ROOT, check=True)
        blobs.append(path.read_bytes())
    assert blobs[0] == blobs[1] == blobs[2] == DIGITS.read_bytes()


def test_size_on_disk_is_near_the_formula(tmp_path):
    network = random_network(1, image=(1, 8, 8), channels=(128, 128, 128), pools=("none",) * 3)
    size = format.save(network, tmp_path / "n.safetensors")
    assert network.stored_bits / 8 < size < 1.2 * network.stored_bits / 8 + 3000


def test_a_thousand_blind_corruptions(seed, tmp_path):
    good = DIGITS.read_bytes()
    rng = np.random.default_rng(seed)
    path = tmp_path / "bad.safetensors"
    for turn in range(1200):
        blob = bytearray(good)
        at = int(rng.integers(len(good)))
        # The header is a small part of the file, and the part with the most ways to break.
        if turn % 2:
            at %= 2000
        count = int(rng.integers(1, 40))
        match turn % 6:
            case 0:
                blob[at] ^= 1 << int(rng.integers(8))
            case 1:
                del blob[at:]
            case 2:
                del blob[at : at + count]
            case 3:
                blob[at:at] = rng.bytes(count)
            case 4:
                blob[at : at + count] = bytes(len(blob[at : at + count]))
            case 5:
                other = int(rng.integers(len(good)))
                blob[at], blob[other] = blob[other], blob[at]
        if bytes(blob) != good:
            refused(bytes(blob), path)


def test_corruptions_of_numbers_with_a_right_checksum(seed, tmp_path):
    """Any bytes may be in the tensors; then the file is refused, or valid in every respect."""
    description, tensors = read_plainly(DIGITS.read_bytes())
    rng = np.random.default_rng(seed)
    path = tmp_path / "bad.safetensors"
    outcomes = {True: 0, False: 0}
    images = random_images(seed, format.load(DIGITS), 2)
    for _ in range(150):
        changed = {name: tensor.copy() for name, tensor in tensors.items()}
        name = str(rng.choice(list(changed)))
        raw = changed[name].view(np.uint8).reshape(-1)
        raw[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))
        path.write_bytes(write_plainly(description, changed))
        try:
            network = format.load(path)
        except UserError as error:
            assert "\n" not in str(error)
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        golden.classify(network, images)
        for conv in network.convs:
            assert len(set(conv.codebook.tolist())) == 1 << conv.tau and conv.codebook.max() < 512
    assert min(outcomes.values()) > 0


VALUES = (
    None, True, False, 0, -1, 1, 2, 7, 33, 65, 2**31, 2**63, 10**30, 1.0, 5.5, "", "5", "max3",
    "conv5x5", "zero ", [], [1], {}, {"a": 1}, float("nan"), float("inf"), "\n", "x" * 5000,
)  # fmt: skip


def test_every_field_of_the_description_is_checked(tmp_path):
    """Each value of the description in turn is replaced by each of VALUES, checksum right."""
    description, tensors = read_plainly(DIGITS.read_bytes())
    path = tmp_path / "bad.safetensors"
    free = {"name"}  # any short text is a name
    tried = 0
    for place in [None, *range(len(description["layers"]))]:
        entry = description if place is None else description["layers"][place]
        for key in entry:
            if key == "provenance":
                continue
            for value in VALUES:
                short = isinstance(value, str) and 0 < len(value) <= 100
                if value == entry[key] and type(value) is type(entry[key]):
                    continue
                if key in free and short and value.isprintable():
                    continue
                changed = copy.deepcopy(description)
                target = changed if place is None else changed["layers"][place]
                target[key] = value
                refused(write_plainly(changed, tensors), path)
                tried += 1
            changed = copy.deepcopy(description)
            del (changed if place is None else changed["layers"][place])[key]
            refused(write_plainly(changed, tensors), path)
            tried += 1
    assert tried > 500


def with_tensor(name, change):
    def apply(description, tensors):
        tensors[name] = change(tensors[name])

    return apply


def set_item(name, at, value):
    def apply(description, tensors):
        tensors[name] = tensors[name].copy()
        tensors[name][at] = value

    return apply


def describe(change):
    def apply(description, tensors):
        change(description)

    return apply


def rename(old, new):
    def apply(description, tensors):
        tensors[new] = tensors.pop(old)

    return apply


def drop(name):
    def apply(description, tensors):
        del tensors[name]

    return apply


# What is done, and what the line must name.
MEANT = {
    "codebook entry 512": (set_item("0.codebook", 3, 512), "0.codebook"),
    "codebook entry twice": (set_item("1.codebook", 3, 0xFFFF), "1.codebook"),
    "codebook of zeros": (with_tensor("0.codebook", np.zeros_like), "0.codebook"),
    "codebook too short": (with_tensor("0.codebook", lambda t: t[:16]), "0.codebook"),
    "codebook of another type": (
        with_tensor("0.codebook", lambda t: t.astype("<i4")), "0.codebook"),
    "indices cut": (with_tensor("1.indices", lambda t: t[:-1]), "1.indices"),
    "indices of another type": (with_tensor("1.indices", lambda t: t.view("i1")), "1.indices"),
    "indices in two dimensions": (
        with_tensor("1.indices", lambda t: t.reshape(2, -1)), "1.indices"),
    "threshold too high": (set_item("0.thresholds", 0, 9 * 16 + 2), "0.thresholds"),
    "threshold too low": (set_item("0.thresholds", 0, -9 * 16 - 1), "0.thresholds"),
    "thresholds as floats": (
        with_tensor("0.thresholds", lambda t: t.astype("<f4")), "0.thresholds"),
    "thresholds too many": (
        with_tensor("0.thresholds", lambda t: np.append(t, t[:1])), "0.thresholds"),
    "flips too few": (with_tensor("2.flips", lambda t: t[:-1]), "2.flips"),
    "weight of another type": (with_tensor("3.weight", lambda t: t.astype("<i2")), "3.weight"),
    "weight transposed": (
        with_tensor("3.weight", lambda t: np.ascontiguousarray(t.T)), "3.weight"),
    "bias as 64 bits": (with_tensor("3.bias", lambda t: t.astype("<i8")), "3.bias"),
    "input thresholds missing": (drop("input.thresholds"), "input.thresholds"),
    "input thresholds flat": (
        with_tensor("input.thresholds", np.ravel), "input.thresholds"),
    "input thresholds of another image": (
        with_tensor("input.thresholds", lambda t: np.repeat(t, 2, axis=0)), "input.thresholds"),
    "no levels": (with_tensor("input.thresholds", lambda t: t[:, :0]), "input.thresholds"),
    "a level fewer": (with_tensor("input.thresholds", lambda t: t[:, 1:]), "conv1"),
    "codebook missing": (drop("2.codebook"), "2.codebook"),
    "tensor renamed": (rename("2.flips", "2.flops"), "2.flips"),
    "tensor too many": (
        lambda d, t: t.update({"9.extra": np.zeros(3, np.uint8)}), "9.extra"),
    "no layers": (describe(lambda d: d["layers"].clear()), "layers|tensor"),
    "head alone": (
        lambda d, t: (d["layers"].__delitem__(slice(0, 3)),
                      [t.pop(k) for k in list(t) if k[0] in "12"]), "0"),
    "head missing": (describe(lambda d: d["layers"].pop()), "tensor|head"),
    "layers exchanged": (describe(lambda d: d["layers"].reverse()), "layer 0|0\\."),
    "channels that do not chain": (
        lambda d, t: (d["layers"][1].update(c_in=64, c_out=32),
                      t.update({"1.thresholds": t["1.thresholds"][:32],
                                "1.flips": t["1.flips"][:4]})), "conv2"),
    "side that does not chain": (describe(lambda d: d["layers"][2].update(height=8)), "conv3"),
    "pool forgotten": (describe(lambda d: d["layers"][1].update(pool="none")), "conv3"),
    "field from the future": (describe(lambda d: d["layers"][0].update(stride=2)), "stride"),
    "field of the network from the future": (describe(lambda d: d.update(skip=[])), "skip"),
    "image too large": (describe(lambda d: d.update(image=[1, 2000, 8])), "image"),
    "tau 9 with a codebook": (describe(lambda d: d["layers"][0].update(tau=9)), "0\\."),
    "tau 2": (describe(lambda d: d["layers"][0].update(tau=2)), "tau"),
    "huge layer": (describe(lambda d: d["layers"][0].update(c_out=4096)), "0\\."),
    "NaN in the provenance": (
        describe(lambda d: d["provenance"].update(x=float("nan"))), "description"),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANT)
def test_meant_corruptions_are_named(case, tmp_path):
    change, named = MEANT[case]
    description, tensors = read_plainly(DIGITS.read_bytes())
    change(description, tensors)
    text = refused(write_plainly(description, tensors), tmp_path / "bad.safetensors")
    problem = text.split(": ", 1)[1]
    assert re.search(named, problem), text


def test_spare_bits_must_be_zero(seed, tmp_path):
    network = random_network(seed, channels=(5, 7), tau=5)
    path = tmp_path / "bad.safetensors"
    format.save(network, path)
    description, tensors = read_plainly(path.read_bytes())
    for name in ("0.indices", "1.flips"):
        changed = {key: tensor.copy() for key, tensor in tensors.items()}
        changed[name][-1] |= 0x80
        assert name in refused(write_plainly(description, changed), path)


def test_other_versions(tmp_path):
    description, tensors = read_plainly(DIGITS.read_bytes())
    path = tmp_path / "bad.safetensors"
    for version in ("5", "0", "", "1.0", "9" * 5000, "\n"):
        blob = write_plainly(description, tensors, {"format": version})
        assert "version" in refused(blob, path)
    assert "update" in refused(write_plainly(description, tensors, {"format": "5"}), path)


def test_a_stride_takes_version_two(seed, tmp_path):
    """Networks without one stay readable for readers of version 1, byte for byte the same."""
    path = tmp_path / "n.safetensors"
    plain = random_network(seed, channels=(5, 7))
    strided = random_network(seed, channels=(5, 7), strides=(2, 1), pools=("none", "none"))
    for network, version in ((plain, "1"), (strided, "2")):
        format.save(network, path)
        assert f'"format":"{version}"'.encode() in path.read_bytes()
        description, tensors = read_plainly(path.read_bytes())
        strides = [entry.get("stride", 1) for entry in description["layers"][:-1]]
        assert strides == [conv.stride for conv in format.load(path).convs]
        assert strides == [conv.stride for conv in network.convs]
    text = refused(write_plainly(description, tensors), path)
    assert "the field 'stride' is not known" in text
    for stride in (0, 3, True, "2", None):
        description["layers"][0]["stride"] = stride
        assert "stride" in refused(write_plainly(description, tensors, {"format": "2"}), path)
    with pytest.raises(UserError, match="stride 4 is not one of"):
        convs = [dataclasses.replace(conv, stride=4) for conv in strided.convs]
        format.save(dataclasses.replace(strided, layers=(*convs, strided.head)), path)


def test_headers_that_attack_the_reader(tmp_path):
    description, tensors = read_plainly(DIGITS.read_bytes())
    path = tmp_path / "bad.safetensors"
    good = write_plainly(description, tensors)
    (length,) = struct.unpack("<Q", good[:8])
    header, data = json.loads(good[8 : 8 + length]), good[8 + length :]
    header["__metadata__"]["sha256"] = ZEROS

    for size in (0, 1, 7, length - 1, length + 1, len(good), 2**31, 2**32, 2**63, 2**64 - 1):
        refused(struct.pack("<Q", size) + good[8:], path)
    deep = "[" * 100_000 + "]" * 100_000
    texts = [deep, '{"a":' * 50_000 + "1" + "}" * 50_000, "", "{}", "[]", "null", "1", '"x"', "{"]
    texts += ['{"__metadata__":' + value + "}" for value in (deep, "[]", "1", '{"format":1}', "{}")]
    texts += ['{"__metadata__":{"format":"1"}}', '{"__metadata__":{"format":"1","network":"{}"}}']
    for text in texts:
        refused(seal(text, data), path)
        refused(seal(text, b""), path)
    for text in (deep, "1e999", "9" * 10_000, "{", "[]", "null", '{"image":' + deep + "}"):
        refused(write_plainly(text, tensors), path)
    nested = json.dumps(description)[:-1] + ',"more":' + deep + "}"
    refused(write_plainly(nested, tensors), path)

    def entry(**changes):
        return seal(header | {"0.flips": header["0.flips"] | changes}, data)

    start, end = header["0.flips"]["data_offsets"]
    for offsets in ([end, start], [start, end + 1], [0, 4], [-1, end], [start, 2**63], [start], []):
        refused(entry(data_offsets=offsets), path)
    for shape in ([2**62, 4], [-4], [0], [4, 0], [2**32, 2**32], [1] * 1000, "4", [4.0], None):
        refused(entry(shape=shape), path)
    for dtype in ("F4", "u8", "BOOL", "F8_E4M3", "BF16", "F64", 5, None, ""):
        refused(entry(dtype=dtype), path)
    refused(seal(header, data + b"\0"), path)
    refused(seal(header, data[:-1]), path)
    refused(good.replace(b'"sha256"', b'"sha257"'), path)


def test_files_that_are_no_files(tmp_path):
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            format.load(path)
    refused(b"", tmp_path / "empty.safetensors")
    refused(b"\x89PNG\r\n\x1a\n" + bytes(100), tmp_path / "picture.png")
    refused(bytes(1000), tmp_path / "zeros")


def test_saving_checks_and_leaves_nothing_behind(seed, tmp_path):
    network = random_network(seed)
    network.convs[0].indices[0, 0] = 77
    with pytest.raises(UserError, match="past the codebook"):
        format.save(network, tmp_path / "n.safetensors")
    for changes in ({"name": "x" * 5000}, {"name": ""}, {"provenance": {"x": float("inf")}}):
        with pytest.raises(UserError):
            changed = dataclasses.replace(random_network(seed), **changes)
            format.save(changed, tmp_path / "n.safetensors")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        format.save(random_network(seed), file / "n.safetensors")
    assert list(tmp_path.iterdir()) == [file]
