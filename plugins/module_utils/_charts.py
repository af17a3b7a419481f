# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bars, lines and labels of a plot lie. A template draws them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

WIDTH, HEIGHT = 1040.0, 260.0
HALF_WIDTH = 500.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 8.0, 10.0, 26.0
LABEL_WIDTH = 80


def ticks(largest: float, wanted: int = 4) -> list[float]:
    """Round values from 0 to at least the largest."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999999)
    return [step * number for number in range(math.ceil(largest / step * 0.999999) + 1)]


def stacked(
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float]]],
    shown: Callable[[float], str],
    marked: Callable[[float], str],
    before: Sequence[float] = (),
    width: float = WIDTH,
) -> dict[str, Any]:
    """Stacked bars for each label, and a line of what was before. `shown` writes values, `marked` those of the axis."""
    sums = [sum(values[index] for _name, values in series) for index in range(len(labels))]
    marks = ticks(max([0.0, *sums, *before]))
    inner, high = width - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    slot = inner / max(len(labels), 1)
    gap = min(slot * 0.25, 8.0)

    def y(value: float) -> float:
        return TOP + high * (1 - value / marks[-1])

    bars = []
    for index, label in enumerate(labels):
        base = 0.0
        for number, (name, values) in enumerate(series):
            if values[index] > 0:
                top = base + values[index]
                bars.append(
                    {
                        "x": round(LEFT + slot * index + gap / 2, 2),
                        "y": round(y(top), 2),
                        "width": round(slot - gap, 2),
                        "height": round(y(base) - y(top), 2),
                        "series": number,
                        "says": f"{label}, {name}: {shown(values[index])} of {shown(sums[index])}",
                    }
                )
                base = top
    every = max(1, math.ceil(len(labels) * LABEL_WIDTH / inner))
    return {
        "width": width,
        "height": HEIGHT,
        "left": LEFT,
        "right": width - RIGHT,
        "base": HEIGHT - BOTTOM,
        "bars": bars,
        "ticks": [{"y": round(y(mark), 2), "text": marked(mark)} for mark in marks],
        "labels": [
            {"x": round(LEFT + slot * (index + 0.5), 2), "text": label}
            for index, label in enumerate(labels)
            if index % every == 0
        ],
        "line": " ".join(
            f"{round(LEFT + slot * (index + 0.5), 2)},{round(y(value), 2)}" for index, value in enumerate(before)
        ),
    }


def spark(values: Sequence[float], width: float = 120.0, height: float = 28.0) -> dict[str, Any]:
    """A small line without axes, and the area below it."""
    largest = max([0.0, *values]) or 1.0
    step = width / max(len(values) - 1, 1)
    points = [
        f"{round(step * index, 2)},{round(height - 1 - (height - 3) * value / largest, 2)}"
        for index, value in enumerate(values)
    ]
    return {
        "width": width,
        "height": height,
        "line": " ".join(points),
        "area": " ".join([f"0,{height}", *points, f"{width},{height}"]),
    }
