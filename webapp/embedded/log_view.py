"""The one readable log: every child's JSON lines as one line a person can read."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

TAG_WIDTH = 9
COLOURS = {"web": 36, "worker": 35, "clock": 34, "setup": 32, "comptoir": 32}
LEVEL_COLOURS = {"warning": 33, "error": 31, "critical": 31, "exception": 31}
HIDDEN = frozenset({"time", "timestamp", "level", "event", "logger", "exception", "pid"})

KEPT_ELSEWHERE = ("audit.event", "audit.checkpoint")
"""Copies of the trail for a log that is kept: a terminal keeps none, and they would push the sign-in links away."""


class LogView:
    """Write events of several processes to one stream; in colour on a terminal unless NO_COLOR is set."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str] | None = None) -> None:
        self.stream = stream
        told = os.environ if environ is None else environ
        self.on_terminal = stream.isatty()
        self.colourful = self.on_terminal and not told.get("NO_COLOR")

    def say(self, text: str) -> None:
        """Write a line of our own, as it is. A reader that has gone does not stop the house."""
        try:
            self.stream.write(f"{text}\n")
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 it takes the stream's place

    def event(self, tag: str, at: datetime, text: str, level: str = "info") -> None:
        """Write an event of the supervisor."""
        self.say(self._line(tag, at.strftime("%H:%M:%S"), level, text))

    def line(self, tag: str, raw: str, at: datetime) -> None:
        """Write a line that a child wrote: JSON becomes readable, anything else stays as it is."""
        try:
            fields = json.loads(raw) if raw.startswith("{") else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            self.say(self._line(tag, at.strftime("%H:%M:%S"), "info", raw))
            return
        if self.on_terminal and fields.get("event") in KEPT_ELSEWHERE:
            return
        level = str(fields.get("level", "info")).lower()
        clock = self._clock(fields.get("time") or fields.get("timestamp"), at)
        self.say(self._line(tag, clock, level, self._text(fields)))
        for told in str(fields.get("exception") or "").splitlines():
            self.say(f"{'':9}{self._paint(f'{tag:{TAG_WIDTH}}', COLOURS.get(tag))}  | {told}")

    @staticmethod
    def _clock(told: Any, at: datetime) -> str:
        try:
            return datetime.fromisoformat(str(told)).astimezone().strftime("%H:%M:%S")
        except ValueError:
            return at.strftime("%H:%M:%S")

    @staticmethod
    def _text(fields: dict[str, Any]) -> str:
        others = [
            f"{name}={value if isinstance(value, str) and ' ' not in value else json.dumps(value, ensure_ascii=False)}"
            for name, value in fields.items()
            if name not in HIDDEN and value not in (None, "")
        ]
        return " ".join([str(fields.get("event", "")).replace("\n", " "), *others])

    def _line(self, tag: str, clock: str, level: str, text: str) -> str:
        mark = "" if level in {"info", "debug"} else f"{level.upper()} "
        return " ".join(
            [
                clock,
                self._paint(f"{tag:{TAG_WIDTH}}", COLOURS.get(tag)),
                self._paint(f"{mark}{text}", LEVEL_COLOURS.get(level)),
            ]
        )

    def _paint(self, text: str, colour: int | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colourful and colour else text
