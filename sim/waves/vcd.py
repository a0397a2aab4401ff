"""Writes a VCD file from another one: signals chosen and renamed, values as they come."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO

from model.errors import CheckError
from sim.waves.names import Names, Place, Texts

__all__ = ["PERIOD_NS", "Dump", "Var"]

# Cycle n lies at n to n + 1 periods.
PERIOD_NS = 10
COMMENT = f"Cycle n lies at {PERIOD_NS} n ns to {PERIOD_NS} (n + 1) ns"
# A signal's own name, and behind it fields and elements.
NAME = re.compile(r"\\?([^.\[]+)(.*)")
PART = re.compile(r"\.[^.\[]+|\[[^\]]*\]")


@dataclass(frozen=True)
class Var:
    """A variable of the dump: component's path, name in it, bits (0 for text)."""

    path: tuple[str, ...]
    name: str
    bits: int

    @property
    def reference(self) -> str:
        """Its name as the VCD file and viewers write it, with the path."""
        return ".".join((*self.path, _escaped(self.name)))


class Dump:
    """A VCD file in the making.

    ``names`` says what is kept of the variables of the dump that it is made from; a signal whose
    fields or elements are variables of their own is kept as these. ``vars`` are those kept, and
    ``texts`` says which of them are shown as text.
    """

    def __init__(self, file: BinaryIO, names: Names, texts: Texts):
        self._file = file
        self._names = names
        self._texts = texts
        self.vars: list[Var] = []
        # By the other dump's identifier: ours, and the texts of its values where it has any.
        self._kept: dict[str, dict[str, dict[int, str]]] = {}
        self._begun = False

    def define(self, header: Iterable[str]) -> None:
        """Take over the header, given line by line; raises CheckError where nothing is kept."""
        found = list(self._choose(header))
        whole = {parent for place, *_ in found for parent in _parents(place)}
        found = sorted(entry for entry in found if entry[0] not in whole)
        if not found:
            raise CheckError("the simulator's dump holds none of the engine's signals")
        ours = map(_identifier, count())
        at: tuple[str, ...] = ()
        lines = [f"$comment {COMMENT} $end", "$timescale 1 ns $end"]
        for place, kind, bits, theirs in found:
            path, name = place
            lines += _scopes(at, path)
            at = path
            texts = {} if kind == "string" else self._texts.get(place, {})
            kept = self._kept.setdefault(theirs, {})
            # One identifier for all variables of the same values, shown in the same way.
            ident = next((one for one, others in kept.items() if others == texts), None)
            if ident is None:
                ident = next(ours)
                kept[ident] = texts
            if texts or kind == "string":
                kind, bits = "string", 0
            self.vars.append(Var(path, name, bits))
            lines.append(f"$var {kind} {max(bits, 1)} {ident} {_escaped(name)} $end")
        lines += _scopes(at, ())
        self._write([*lines, "$enddefinitions $end"])

    def write(self, time: int, changes: Iterable[str]) -> None:
        """Changes at a time in ns, as the other dump's lines; the first ones are all values."""
        lines = [line for change in changes for line in self._converted(change)]
        if not self._begun:
            self._begun = True
            lines = ["$dumpvars", *lines, "$end"]
        if lines:
            self._write([f"#{time}", *lines])

    def finish(self, time: int) -> None:
        """The time at which the last values end."""
        self._write([f"#{time}"])

    def _choose(self, header: Iterable[str]) -> Iterable[tuple[Place, str, int, str]]:
        """Place, kind, bits and identifier of each variable in the other dump that is wanted."""
        # Outermost is a scope of the simulator's.
        path: list[str] = []
        for line in header:
            words = line.split()
            if words[:1] == ["$scope"]:
                path.append(words[2])
            elif words[:1] == ["$upscope"]:
                path.pop()
            elif words[:1] == ["$var"]:
                _, kind, bits, ident, name = words[:5]
                own, parts = NAME.fullmatch(name).groups()
                if place := self._names.get((tuple(path[1:]), own)):
                    yield (place[0], place[1] + parts), kind, int(bits), ident

    def _converted(self, line: str) -> Iterable[str]:
        """A change in our words, once a variable of ours."""
        if line[0] in "bs":
            value, _, theirs = line.partition(" ")
        else:
            value, theirs = line[0], line[1:]
        for ident, texts in self._kept.get(theirs, {}).items():
            if texts:
                number = int(value.lstrip("b"), 2)
                yield f"s{texts.get(number, number)} {ident}"
            elif value[0] == "b":
                yield f"b{value[1:].lstrip('0') or '0'} {ident}"
            else:
                yield f"{value} {ident}" if value[0] == "s" else value + ident

    def _write(self, lines: list[str]) -> None:
        self._file.write(("\n".join(lines) + "\n").encode())


def _parents(place: Place) -> list[Place]:
    """What a field or element is part of."""
    path, name = place
    own, parts = NAME.fullmatch(name).groups()
    steps = PART.findall(parts)
    return [(path, own + "".join(steps[:depth])) for depth in range(len(steps))]


def _escaped(name: str) -> str:
    return name if re.fullmatch(r"[\w$]+", name) else "\\" + name


def _scopes(at: tuple[str, ...], to: tuple[str, ...]) -> list[str]:
    """The lines that leave one component and enter another."""
    common = 0
    while common < min(len(at), len(to)) and at[common] == to[common]:
        common += 1
    leave = ["$upscope $end"] * (len(at) - common)
    return [*leave, *(f"$scope module {name} $end" for name in to[common:])]


def _identifier(number: int) -> str:
    """Short names of printable characters."""
    text = ""
    while True:
        number, digit = divmod(number, 94)
        text += chr(33 + digit)
        if number == 0:
            return text
        number -= 1
