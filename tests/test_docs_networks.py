"""The tutorial of docs/networks.md runs as it stands."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from model import format  # noqa: E402

PAGE = Path(__file__).parents[1] / "docs" / "networks.md"


def test_the_tutorial_trains_and_exports(tmp_path, monkeypatch, seed, capsys):
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.M)
    lines = [line for line in code.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) < 40
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(seed)
    names = {"__name__": "tutorial"}
    exec(compile(code, str(PAGE), "exec"), names)
    network = format.load(tmp_path / "mine.safetensors")
    assert [layer.name for layer in network.layers] == ["conv1", "conv2", "head"]
    assert network.convs[1].stream.residual == 0
    told = capsys.readouterr().out
    assert "Grid(paths=('stream1', 'stream2')" in told and "disagreements=" in told
    agreement = names["compare"](
        names["net"], network, names["test"].images, names["test"].labels
    )
    assert agreement.golden_accuracy > 0.8 and agreement.disagreements <= 2
