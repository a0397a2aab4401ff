"""What is wrong in the public reference code (method.md) is not wrong here: a test for each."""

import io
import os
import socket

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

from model import bits  # noqa: E402
from model.kinds.refined import HYSTERESIS  # noqa: E402
from model.layers import Head, Sign, SubBitConv2d  # noqa: E402
from model.learnt import Codebook  # noqa: E402
from model.training.loop import codebook_groups  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side
LEARNT = ("refined", "antipodal-refined")


def learner(kind: str, seed: int = 0, other: str | None = None) -> nn.Sequential:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        SubBitConv2d(4, 8, 4, kind, rng=rng),
        nn.BatchNorm2d(8),
        Sign(),
        SubBitConv2d(8, 8, 3, other or kind, rng=rng),
        nn.BatchNorm2d(8),
        Sign(),
        Head(8, 3),
    )


def train(net: nn.Module, steps: int, seed: int, rate=0.02, times=5.0, to_none=True):
    """Some steps of Adam on noise."""
    optimiser = torch.optim.Adam(codebook_groups(net, times))
    for group in optimiser.param_groups:
        group["lr"] = rate * group["times"]
    generator = torch.Generator().manual_seed(seed)
    net.train()
    for _ in range(steps):
        x = torch.where(torch.rand(16, 4, 5, 5, generator=generator) < 0.5, -1.0, 1.0)
        labels = torch.randint(3, (16,), generator=generator)
        optimiser.zero_grad(set_to_none=to_none)
        nn.functional.cross_entropy(net(x), labels).backward()
        optimiser.step()


def memories(net: nn.Module) -> list[torch.Tensor]:
    return [m.memory.clone() for m in net.modules() if isinstance(m, Codebook)]


@pytest.mark.parametrize("kind", LEARNT)
def test_state_dict_is_complete_and_reload_is_bit_identical(kind, seed):
    net = learner(kind, seed)
    before = memories(net)
    train(net, 40, seed)
    assert any(not torch.equal(a, b) for a, b in zip(before, memories(net), strict=True))
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    # A network of another seed: nothing of the first one can be left over in it.
    again = learner(kind, seed + 1)
    again.load_state_dict(torch.load(file, weights_only=True))
    x = torch.where(torch.rand(8, 4, 5, 5) < 0.5, -1.0, 1.0)
    assert torch.equal(net.eval()(x), again.eval()(x))
    steps = [m.step.item() for m in again.modules() if isinstance(m, Codebook)]
    assert steps == [40, 40]
    # And both go on alike.
    net.train()(x), again.train()(x)
    for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", LEARNT)
def test_evaluation_changes_nothing(kind, seed):
    net = learner(kind, seed)
    train(net, 10, seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, Codebook):
                module.real.mul_(-1)  # a codebook that would move, if it could
    net.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for _ in range(3):
        net(torch.ones(2, 4, 5, 5))
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("kind", LEARNT)
def test_duplicates_are_replaced_in_place(kind, seed):
    book = Codebook(4, kind, np.random.default_rng(seed))
    rows = len(book.memory)
    before = book.real.detach().clone()
    with torch.no_grad():
        book.real[2] = book.real[6]
        book.real[rows - 1] = -book.real[6] if book.antipodal else book.real[6]
    book.train()(torch.randn(5, 9))
    for row in range(rows):
        if row in (6, rows - 1):
            continue
        # The first of equals keeps its kernel, later ones get new ones. Nobody else has moved:
        # indices and optimiser moments still belong to their rows.
        expected = before[6 if row == 2 else row]
        assert torch.equal(book.real[row], expected) and torch.equal(book.memory[row], expected)
    assert torch.equal(book.real.sign(), book.memory)
    assert len(set(book.numbers().tolist())) == 16
    if book.antipodal:
        assert bits.is_antipodal(book.numbers())


@pytest.mark.parametrize("kind", LEARNT)
def test_codebooks_stay_legal_under_violent_training(kind, seed):
    net = learner(kind, seed)
    for turn in range(5):
        train(net, 12, seed + turn, rate=0.5)
        net.train()(torch.ones(2, 4, 5, 5))
        for module in net.modules():
            if isinstance(module, Codebook):
                numbers = module.numbers()
                assert len(set(numbers.tolist())) == 1 << module.tau
                assert bits.is_antipodal(numbers) == module.antipodal


def test_hysteresis_keeps_an_old_sign(seed):
    book = Codebook(4, "refined", np.random.default_rng(seed))
    old = book.memory[0].clone()
    with torch.no_grad():
        book.real[0] = -old * HYSTERESIS * 0.9
    book.train()(torch.randn(5, 9))
    assert torch.equal(book.memory[0], old)
    with torch.no_grad():
        book.real[0, 0] = -old[0] * HYSTERESIS * 1.1
    book(torch.randn(5, 9))
    assert book.memory[0, 0] == -old[0] and torch.equal(book.memory[0, 1:], old[1:])


def test_codebook_moves_at_its_own_rate_whatever_zero_grad_does(seed):
    ways = {}
    for times in (1.0, 5.0):
        for to_none in (True, False):
            net = learner("refined", seed)
            real = net[0].codebook.real
            before = real.detach().clone()
            train(net, 30, seed, rate=0.002, times=times, to_none=to_none)
            ways[times, to_none] = float((real.detach() - before).abs().mean())
    print(ways)
    assert ways[1, True] == ways[1, False] and ways[5, True] == ways[5, False]
    assert 3.5 < ways[5, True] / ways[1, True] < 6.5


def test_nearest_search_is_small(seed):
    """No [kernels, 2^tau, 9] floats: for a 512 x 512 layer at tau 5 that would be 288 MiB."""
    weights = torch.randn(512 * 512, 9, generator=torch.Generator().manual_seed(seed))
    book = Codebook(5, "sampled", np.random.default_rng(seed)).eval()
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as profile:
        book(weights)
    largest = max(
        event.self_cpu_memory_usage for event in profile.events() if event.self_cpu_memory_usage
    )
    print(f"largest allocation {largest / 2**20:.0f} MiB")
    assert 2**20 < largest <= 512 * 512 * 32 * 4


def test_search_carries_no_gradient(seed):
    """Only the chosen kernel is differentiated, not the products with all the others."""
    book = Codebook(5, "refined", np.random.default_rng(seed))
    out = book(torch.randn(7, 9, requires_grad=True))
    assert type(out.grad_fn).__name__ == "_AssignBackward"
    assert out.grad_fn.saved_tensors[0].numel() + out.grad_fn.saved_tensors[1].numel() == 7 * 10


def rank_main(rank: int, port: int, folder: str) -> None:
    """One of two ranks: trains on data of its own, then writes what state it has."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    # Seeds differ: equality must come from the training, not from a lucky start.
    net = nn.parallel.DistributedDataParallel(learner(LEARNT[0], rank, LEARNT[1]))
    before = memories(net)
    train(net, 30, seed=100 + rank)
    net.train()(torch.ones(2, 4, 5, 5))  # brings the memory up to the last step
    torch.save({"state": net.module.state_dict(), "before": before}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_refinement_runs_and_agrees_under_distributed_data_parallel(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(rank_main, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, value in first["state"].items():
        if "running" not in name:  # each rank's own statistics, until the next step's broadcast
            assert torch.equal(value, second["state"][name]), name
    assert first["state"]["0.codebook.step"] == 31
    for name, before in zip(("0", "3"), first["before"], strict=True):
        assert not torch.equal(first["state"][f"{name}.codebook.memory"], before), "never refined"
