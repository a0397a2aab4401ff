"""Contents of memories out of the Verilog, into files that ``$readmemh`` reads."""

import re

__all__ = ["into_files"]

# What Yosys writes behind a memory: a block that sets word after word.
_BLOCK = re.compile(
    r"(?P<declaration>reg \[(?P<high>\d+):0\] (?P<name>[\w$\\.\[\]]+?) ?\[\d+:0\];\n)"
    r"\s*initial begin\n(?P<words>(?:\s*(?P=name) ?\[\d+\] = \d+'h[0-9a-f]+;\n)+)\s*end\n"
)
_WORD = re.compile(r"\[(\d+)\] = \d+'h([0-9a-f]+);")


def into_files(verilog: str) -> tuple[str, dict[str, str]]:
    """The Verilog with a ``$readmemh`` in place of each memory's contents, and the files by name.

    Memories that begin as zeros keep their block: they hold no contents.
    """
    files: dict[str, str] = {}

    def replace(match: re.Match) -> str:
        words = dict(_WORD.findall(match["words"]))
        if not any(int(word, 16) for word in words.values()):
            return match[0]
        name = re.sub(r"\W", "_", match["name"])
        file = f"{name}.hex" if f"{name}.hex" not in files else f"{name}_{len(files)}.hex"
        files[file] = "".join(f"{words[str(place)]}\n" for place in range(len(words)))
        return f'{match["declaration"]}  initial $readmemh("{file}", {match["name"]});\n'

    return _BLOCK.sub(replace, verilog), files
