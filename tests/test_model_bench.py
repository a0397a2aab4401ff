"""The benchmark of search and training step: what it compares, counts and writes."""

import functools
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model import bits  # noqa: E402
from model.bench import __main__ as command  # noqa: E402
from model.bench import search, step  # noqa: E402
from model.bench.measure import Row, interleaved, peak_bytes  # noqa: E402
from model.bench.published import published_nearest  # noqa: E402
from model.errors import CheckError, UserError  # noqa: E402
from model.nearest import CHUNK, nearest  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side
KEYS = ["name", "baseline", "seconds", "baseline_seconds", "speedup", "bytes", "baseline_bytes"]


def book(seed: int, rows: int) -> torch.Tensor:
    numbers = np.random.default_rng(seed).choice(bits.KERNELS, rows, replace=False)
    return torch.from_numpy(bits.kernel_signs(numbers).astype(np.float32))


@pytest.mark.parametrize("rows", [1, 2, 8, 64])
@pytest.mark.parametrize("count", [0, 1, 700, CHUNK, CHUNK + 1])
def test_search_equals_argmax_and_the_published_one(rows, count, seed):
    memory = book(seed, rows)
    weights = torch.randn(count, 9, generator=torch.Generator().manual_seed(seed))
    index, signs = nearest(weights, memory, False)
    assert signs is None and index.dtype == torch.int64
    assert torch.equal(index, (weights @ memory.T).argmax(1))
    search.check_same(weights, memory, index, published_nearest(weights, memory), "here")
    index, signs = nearest(weights, memory, True)
    products = weights @ memory.T
    assert torch.equal(index, products.abs().argmax(1))
    chosen = products.gather(1, index[:, None])
    assert torch.equal(signs, torch.where(chosen < 0, -1.0, 1.0))


def test_first_of_equals_wins_and_a_nan_breaks_nothing(seed):
    memory = book(seed, 32)
    weights = torch.zeros(3, 9)
    assert nearest(weights, memory, False)[0].tolist() == [0, 0, 0]
    # Two rows at the same distance: the lower one, wherever they lie.
    for low, high in ((0, 31), (3, 4), (17, 30)):
        same = memory.clone()
        same[high] = same[low]
        assert nearest(same[[high]], same, False)[0].tolist() == [low]
        same[high] *= -1
        index, signs = nearest(same[[high]], same, True)
        assert index.tolist() == [low] and signs.tolist() == [[-1]]
    weights[1, 4] = torch.nan
    for antipodal in (False, True):
        index, _ = nearest(weights, memory, antipodal)
        assert index[0] == 0 and 0 <= index[1] < 32


def test_autocast_does_not_round_the_search(seed):
    memory = book(seed, 64)
    weights = torch.randn(20_000, 9, generator=torch.Generator().manual_seed(seed))
    exact = nearest(weights, memory, False)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not torch.equal((weights @ memory.T).argmax(1), exact), "nothing was at stake"
        assert torch.equal(nearest(weights, memory, False)[0], exact)


def test_wrong_answers_are_found():
    weights, memory = torch.randn(50, 9), book(0, 16)
    right = published_nearest(weights, memory)
    wrong = right.clone()
    wrong[7] = (wrong[7] + 1) % 16
    with pytest.raises(CheckError, match="layer 3: 1 kernels are not the nearest"):
        search.check_same(weights, memory, wrong, right, "layer 3")


def test_peak_is_what_is_held_at_once():
    def work():
        first = torch.zeros(1 << 18)  # 1 MiB
        both = first + 1  # 2 MiB
        del first
        return torch.ones(1 << 17) + both[: 1 << 17]  # 1 MiB again, and two halves

    assert 0 <= peak_bytes(work) - 2 * 2**20 < 4096


def test_search_row(seed):
    row = search.measure_search(4, 1, ((8, 16), (16, 40)))
    assert row.name == "search, tau 4, 2 layers"
    # All answers, 8 bytes each; the products; against differences and squares of the larger layer.
    assert row.bytes < 8 * 768 + 640 * 16 * 6 + 4096
    assert row.baseline_bytes > 2 * 640 * 16 * 9 * 4
    assert row.speedup == row.baseline_seconds / row.seconds


def test_interleaved_takes_turns():
    calls = []
    seconds = interleaved([lambda: calls.append("a"), lambda: calls.append("b")], 2)
    assert calls == ["a", "b"] * 3 and len(seconds) == 2


def test_command_writes_rows_and_table(tmp_path, monkeypatch, capsys):
    small = functools.partial(search.measure_search, layers=((4, 8), (8, 8)))
    monkeypatch.setattr(search, "measure_search", small)
    few = functools.partial(step.measure_steps, layers=((8, 1), (16, 2)))
    monkeypatch.setattr(step, "measure_steps", few)
    command.main(["--rounds", "1", "--batch", "2", "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "model.json").read_text())
    assert all(list(row) == KEYS for row in rows)
    assert len(rows) == 3 + 4 + 5
    assert {row["baseline"] for row in rows} == {"published procedure", "plain binary", "float"}
    assert "refined, tau 5" in (tmp_path / "model.md").read_text()
    assert "refined" in capsys.readouterr().out


def test_command_refuses_options_that_measure_nothing(tmp_path):
    for option in ("--rounds", "--batch"):
        with pytest.raises(UserError, match=f"{option} must be at least 1"):
            command.main([option, "0", "--out", str(tmp_path)])
    with pytest.raises(UserError, match="--batch must be at least 2"):
        command.main(["--batch", "1", "--out", str(tmp_path)])


def test_row_is_plain():
    assert list(Row("a", "b", 1.0, 3.0, 5, 6).plain()) == KEYS
