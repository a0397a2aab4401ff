"""The sweep as a picture: images a second against LUTs and against index bits."""

from typing import BinaryIO

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from hw.boards import Board
from hw.plan.explore import front
from hw.plan.point import Plan

__all__ = ["draw"]

# Okabe and Ito's colours, which most colour-blind people tell apart; by bits an index.
COLOURS = {3: "#56B4E9", 4: "#009E73", 5: "#0072B2", 6: "#E69F00", 9: "#D55E00"}


def draw(plans: list[Plan], board: Board, title: str, file: BinaryIO) -> None:
    """Write the PNG: left, what area buys; right, what bits buy, of the designs that fit."""
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False}):
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        area, stored = figure.subplots(1, 2)
        limit = board.lut_limit * board.available["lut"]
        for tau in sorted({p.parameters["tau"] for p in plans}):
            mine = [p for p in plans if p.parameters["tau"] == tau]
            colour = COLOURS[tau]
            name = "1 bit" if tau == 9 else f"{tau}/9 bit"
            rates = [p.images_per_second for p in mine]
            area.scatter([_luts(p) for p in mine], rates, s=7, color=colour, alpha=0.35, lw=0)
            best = front(mine, _luts)
            area.plot([_luts(p) for p in best], [p.images_per_second for p in best], "-o",
                      color=colour, ms=3, lw=1, label=name)  # fmt: skip
            fitting = [p for p in mine if p.fits]
            if fitting:
                fastest = max(fitting, key=lambda p: p.images_per_second)
                stored.scatter(fastest.index_bits / 1e3, fastest.images_per_second, s=30,
                               color=colour)  # fmt: skip
                # Neighbours' names lie on different sides of their points.
                above = tau % 2 == 1
                stored.annotate(name, (fastest.index_bits / 1e3, fastest.images_per_second),
                                textcoords="offset points", xytext=(0, 6 if above else -6),
                                ha="center", va="bottom" if above else "top", color=colour,
                                )  # fmt: skip
        area.axvline(limit, color="#555555", lw=0.8, ls="--")
        area.annotate(f"{board.lut_limit:.0%} of {board.part}", (limit, 0.02), rotation=90,
                      xycoords=("data", "axes fraction"), textcoords="offset points",
                      xytext=(-9, 0), color="#555555", fontsize=7)  # fmt: skip
        area.set(xscale="log", yscale="log", xlabel="estimated LUTs",
                 ylabel=f"images a second at {plans[0].clock_mhz:g} MHz")  # fmt: skip
        area.legend(frameon=False, loc="lower right", title="bits a weight")
        for axis in (area.xaxis, area.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(EngFormatter(sep=""))
            axis.set_minor_locator(NullLocator())
        stored.set(xlabel="index bits (kbit)", ylabel="images a second, fastest that fits")
        stored.margins(x=0.2, y=0.15)
        stored.yaxis.set_major_formatter(EngFormatter(sep=""))
        stored.set_xlim(left=0)
        stored.set_ylim(bottom=0)
        for axes in (area, stored):
            axes.spines["right"].set_visible(False)
            axes.grid(alpha=0.2, which="major")
        figure.suptitle(title)
        figure.savefig(file, format="png", dpi=200)


def _luts(one: Plan) -> float:
    return one.resources["lut"]["used"]
