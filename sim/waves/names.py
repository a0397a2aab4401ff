"""Which signals of a design go into a waveform, and under which names.

A signal that joins components is known in each of them, under names that depend on the others
there. Here it has one place: the innermost component that uses it, where its name is its own. Left
out is what nobody reads by eye: adders bit by bit, copies of codebooks, contents of memories.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from amaranth.hdl import Fragment, MemoryInstance

from hw.sequencer import Phase

__all__ = ["ROOT", "Names", "Place", "Texts", "signal_names", "texts"]

# Path of a component and name within it.
Place = tuple[tuple[str, ...], str]
Names = dict[Place, Place]
# Names of a signal's values, by where it is shown.
Texts = dict[Place, dict[int, str]]

ROOT = "engine"
# Components inside of which there is nothing to see.
HIDDEN = re.compile(r"adder|lanes|taps|copy\d+|halves\d+|codebook")
# The reset, never used. A state machine as text, which `phase` says too.
LEFT_OUT = re.compile(r"rst|fsm_state")


def signal_names(top, root: Sequence[str], ports: Sequence = ()) -> Names:
    """What to show of ``top``, an elaboratable: by place in the dump, the place to show it at.

    ``root`` is the path of the engine in the dump; what lies outside of it is left out.
    """
    design = Fragment.get(top, None).prepare(ports=ports)
    root = tuple(root)
    found: dict[int, Place] = {}
    owners: dict[int, Place] = {}
    for fragment, info in sorted(design.fragments.items(), key=lambda item: len(item[1].name)):
        for signal, name in info.signal_names.items():
            if len(signal) == 0:
                continue
            owners[id(signal)] = (info.name, name)
            # Memories are no components to Verilator: their ports' signals are found outside.
            if not isinstance(fragment, MemoryInstance):
                found[id(signal)] = (info.name, name)
    shown = {
        found[signal]: (path, name)
        for signal, (path, name) in sorted(owners.items(), key=lambda item: item[1])
        if signal in found and path[: len(root)] == root and not any(map(HIDDEN.fullmatch, path))
    }
    scopes = _plain_scopes({path for path, _ in shown.values()})
    plain = Counter((path, _plain(name)) for path, name in shown.values())
    names = {(root, "clk"): ((ROOT,), "clk")}
    for place, (path, name) in shown.items():
        clear = _plain(name) if plain[path, _plain(name)] == 1 else name
        if name != "clk" and not LEFT_OUT.fullmatch(clear) and not name.startswith("$"):
            names[place] = ((ROOT, *scopes[path][len(root) :]), clear)
    return names


def texts(layers: Iterable[str]) -> Texts:
    """Signals shown as text: the phase, and the layer, ``layers`` being their names."""
    phases = {phase.value: phase.name for phase in Phase}
    names = {number: "_".join(name.split()) for number, name in enumerate(layers)}
    sequencer = (ROOT, "sequencer")
    return {
        ((ROOT,), "probe__phase"): phases,
        (sequencer, "phase"): phases,
        (sequencer, "layer"): names,
    }


def _plain(name: str) -> str:
    """The name without the number that made it unique."""
    return re.sub(r"\$\d+$", "", name)


def _plain_scopes(paths: set[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Paths with plain names where these are unique."""
    plain = {path: tuple(map(_plain, path)) for path in paths}
    count = Counter(plain.values())
    return {path: new if count[new] == 1 else path for path, new in plain.items()}
