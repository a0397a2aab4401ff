"""Kinds of codebooks beyond the published one: most used kernels, and kernels selected by score."""

import copy
import importlib
import io
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model import bits, kinds  # noqa: E402
from model.codebooks import KINDS, frequent  # noqa: E402
from model.kinds.frequent import CHOOSE_EVERY, WARM_SHARE  # noqa: E402
from model.kinds.selected import MARGIN, SAMPLE, candidates  # noqa: E402
from model.learnt import Codebook  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side
NEW = ("frequent", "antipodal-frequent", "selected", "antipodal-selected")


def book_of(kind: str, seed: int, tau: int = 4) -> Codebook:
    return Codebook(tau, kind, np.random.default_rng(seed))


def signs_of(numbers) -> torch.Tensor:
    return torch.from_numpy(bits.kernel_signs(np.asarray(numbers)).astype(np.float32))


def train(book: Codebook, weights: torch.Tensor, steps: int, seed: int, rate: float = 0.02) -> None:
    """Steps of Adam on noise, weights and codebook alike."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam([weights, *book.parameters()], lr=rate)
    book.train()
    for _ in range(steps):
        optimiser.zero_grad()
        noise = torch.randn(weights.shape, generator=generator)
        ((book(weights) - noise) ** 2).sum().backward()
        optimiser.step()


def test_a_file_for_every_kind():
    folder = Path(kinds.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert files == {kind.removeprefix("antipodal").strip("-") or "sampled" for kind in KINDS}
    for name in files:
        rule = importlib.import_module(f"model.kinds.{name}").Rule
        for method in ("begin", "planned", "filled", "follow", "kernels"):
            assert callable(getattr(rule, method))


@pytest.mark.parametrize("kind", NEW)
def test_state_is_complete_and_copies_go_on_alike(kind, seed):
    weights = torch.randn(300, 9, generator=torch.Generator().manual_seed(seed)) * 0.5
    book = book_of(kind, seed)
    book.plan(200)
    train(book, weights.clone().requires_grad_(), 40, seed)
    file = io.BytesIO()
    torch.save(book.state_dict(), file)
    file.seek(0)
    again = book_of(kind, seed + 1)
    again.load_state_dict(torch.load(file, weights_only=True))
    for one in (again, copy.deepcopy(book)):
        assert torch.equal(one.eval()(weights), book.eval()(weights))
        one.train()
        train(one, weights.clone().requires_grad_(), 20, seed)
    train(book, weights.clone().requires_grad_(), 20, seed)
    for a, b in zip(book.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", NEW)
def test_legal_at_every_step_and_evaluation_changes_nothing(kind, seed):
    weights = (torch.randn(200, 9) * 0.5).requires_grad_()
    book = book_of(kind, seed)
    book.plan(60)
    for turn in range(8):
        train(book, weights, 9, seed + turn, rate=0.3)
        numbers = book.numbers()
        assert len(set(numbers.tolist())) == 16
        assert bits.is_antipodal(numbers) == book.antipodal
        before = {name: value.clone() for name, value in book.state_dict().items()}
        own = bits.kernel_numbers(book.eval()(weights).detach().numpy())
        assert set(own.tolist()) <= set(numbers.tolist()), "not exportable"
        assert all(torch.equal(value, before[name]) for name, value in book.state_dict().items())


@pytest.mark.parametrize("kind", ["frequent", "antipodal-frequent"])
def test_frequent_is_binary_then_fixed(kind, seed):
    generator = torch.Generator().manual_seed(seed)
    book = book_of(kind, seed)
    book.plan(400)
    warm = int(400 * WARM_SHARE)
    assert int(book.warm) == warm
    for step in range(1, warm + 30):
        weights = torch.randn(500, 9, generator=generator) + 0.3
        weights[0, 0] = 0  # sign(0) = +1
        kernels = book(weights.requires_grad_())
        used = frequent(bits.kernel_numbers(weights.detach().numpy()), 4, book.antipodal)
        if step <= warm:
            assert torch.equal(kernels, torch.where(weights >= 0, 1.0, -1.0))
            kernels.sum().backward()
            assert torch.equal(weights.grad, (weights.abs() <= 1).float())
        else:
            assert set(bits.kernel_numbers(kernels.detach().numpy())) <= set(book.numbers())
        if (step % CHOOSE_EVERY == 1 and step <= warm) or step == warm + 1:
            assert set(book.numbers()) == set(used)
            chosen = book.memory.clone()
        assert torch.equal(book.memory, chosen)


def test_a_filled_codebook_is_chosen_already(seed):
    book = book_of("frequent", seed)
    numbers = np.arange(100, 116, dtype=np.uint16)
    book.fill(numbers)
    book.plan(1000)
    weights = torch.randn(100, 9)
    kernels = book.train()(weights)
    assert np.array_equal(book.numbers(), numbers)
    assert set(bits.kernel_numbers(kernels.numpy())) <= set(numbers.tolist())
    for kind in ("refined", "antipodal-refined", "selected"):
        book = book_of(kind, seed)
        other = book_of(kind, seed + 1).numbers()
        book.fill(other)
        book.train()(weights)
        assert np.array_equal(book.numbers(), other), kind


@pytest.mark.parametrize("antipodal", [False, True])
def test_gradient_of_the_scores_is_that_of_the_mixture(antipodal, seed):
    generator = torch.Generator().manual_seed(seed)
    book = book_of("antipodal-selected" if antipodal else "selected", seed)
    with torch.no_grad():
        book.scores.normal_(generator=generator)
    weights = torch.randn(50, 9, generator=generator) * 0.2
    upstream = torch.randn(50, 9, generator=generator)
    book.eval()(weights.clone().requires_grad_()).backward(upstream)
    scores = book.scores.detach().clone().requires_grad_()
    every = signs_of(candidates(antipodal))
    mixed = []
    for weight in weights:
        products = every @ (weight / weights.abs().mean())
        kernels = every
        if antipodal:
            kernels = every * torch.where(products < 0, -1.0, 1.0)[:, None]
            products = products.abs()
        mixed.append(torch.softmax(products + scores, 0) @ kernels)
    (torch.stack(mixed) * upstream).sum().backward()
    assert torch.allclose(book.scores.grad, scores.grad, atol=1e-4)


@pytest.mark.parametrize("kind", ["selected", "antipodal-selected"])
def test_selected_finds_the_kernels_that_are_wanted(kind, seed):
    book = book_of(kind, seed)
    outside = np.setdiff1d(candidates(book.antipodal), book.numbers())
    wanted = np.random.default_rng(seed).choice(outside, len(book.memory), replace=False)
    target = signs_of(wanted).repeat(20, 1)
    optimiser = torch.optim.Adam(book.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        # The weights point there already; only the codebook is in the way.
        (-(book(target * 0.5) * target).sum()).backward()
        optimiser.step()
    book(target)
    found = len(set(book.numbers().tolist()) & set(wanted.tolist()))
    print(f"{found} of {len(wanted)}")
    assert found >= 0.9 * len(wanted)


def test_selected_stays_within_the_margin_and_keeps_rows(seed):
    book = book_of("selected", seed)
    before = book.memory.clone()
    out = int(np.setdiff1d(np.arange(512), book.numbers())[7])
    held = int(book.numbers()[3])
    with torch.no_grad():
        book.scores[out] = 0.9 * MARGIN
    book.train()(torch.randn(5, 9))
    assert torch.equal(book.memory, before)
    with torch.no_grad():
        book.scores[held] = -0.2 * MARGIN
    book(torch.randn(5, 9))
    changed = (book.memory != before).any(1).nonzero().flatten().tolist()
    row = [n for n, memory in enumerate(before) if torch.equal(memory, signs_of(held))]
    assert changed == row and torch.equal(book.memory[row[0]], signs_of(out))


def test_a_large_layer_costs_a_sample(seed):
    book = book_of("selected", seed)
    weights = torch.randn(SAMPLE * 3 + 1, 9).requires_grad_()
    book.train()(weights).square().sum().backward()
    assert torch.isfinite(book.scores.grad).all()
