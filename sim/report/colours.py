"""The colours of charts: one meaning, one colour, in page and PNG alike.

Chosen so that neighbours in a bar stay apart for every common kind of colour blindness (simulated
by Machado's matrices: a distance of 22 or more in Lab) and stand out from the background.
"""

__all__ = ["DARK", "LIGHT", "css"]

LIGHT = {
    "paper": "#ffffff",
    "panel": "#f5f6f7",
    "ink": "#16191d",
    "soft": "#565d66",
    "line": "#d8dbdf",
    "good": "#0b6b3a",
    "bad": "#a3121f",
    "link": "#0a62b0",
    "useful": "#0a62b0",
    "work": "#0a62b0",
    "unused": "#9cc3e6",
    "fill": "#d98200",
    "drain": "#2f9e8f",
    "stall": "#b3252f",
    "idle": "#dcdfe2",
    "index": "#6a4c9c",
    "read": "#b8860b",
    "written": "#3d8b8b",
}
DARK = {
    "paper": "#15171b",
    "panel": "#1e2126",
    "ink": "#eceef0",
    "soft": "#a6adb6",
    "line": "#343940",
    "good": "#5fd394",
    "bad": "#ff8b8f",
    "link": "#78b8f5",
    "useful": "#3f8fdc",
    "work": "#3f8fdc",
    "unused": "#26476a",
    "fill": "#f2a93b",
    "drain": "#6fd3c0",
    "stall": "#e8475c",
    "idle": "#4a4f57",
    "index": "#a68be0",
    "read": "#d9a93a",
    "written": "#4fb0b0",
}


def css() -> str:
    """The colours as custom properties, light and dark by the reader's preference."""
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in colours.items())
        for colours in (LIGHT, DARK)
    )
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
