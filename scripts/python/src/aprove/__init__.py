"""Proves that a converted model is its source: a thin layer over the program `aprove` and its JSON.

    report = aprove.verify("model.apr", "model.gguf")
    if report.verdict is not aprove.Verdict.VERIFIED:
        raise SystemExit("\\n".join(report.messages))
"""

import enum
import json
import os
import pathlib
import subprocess
from typing import Any, Dict, List, Optional, Sequence, Union

__all__ = ["NotRun", "PROGRAM", "Report", "Verdict", "verify"]

#: The program that this package brings along.
PROGRAM = pathlib.Path(__file__).with_name("bin") / "aprove"

_Path = Union[str, "os.PathLike[str]"]


class NotRun(RuntimeError):
    """The program gave no verdict: it could not be started, took too long, or did not understand its arguments."""


class Verdict(str, enum.Enum):
    """What came of a comparison. It is never true or false: undecided is neither, and an ``if`` has to say which it means."""

    VERIFIED = "verified"
    DIFFERENT = "different"
    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        raise TypeError("a verdict is one of three: compare it, as in `report.verdict is Verdict.VERIFIED`")

    def __str__(self) -> str:
        return self.value


class Report:
    """The answer about a pair, over the JSON of the program: see its ``docs/json.md``, and ``aprove schema``."""

    def __init__(self, raw: Dict[str, Any]) -> None:
        #: The whole document.
        self.raw = raw
        self.verdict = Verdict(raw["verdict"])

    @property
    def _reports(self) -> List[Dict[str, Any]]:
        # Of two folders, or of a list, there is one for each pair.
        return [pair["report"] for pair in self.raw["pairs"]] if "pairs" in self.raw else [self.raw]

    @property
    def reasons(self) -> List[str]:
        """The codes that decide against the pair; ``aprove explain CODE`` explains one. Empty where it is verified."""
        if "error" in self.raw:
            return [self.raw["error"]["code"]]
        return list(dict.fromkeys(code for report in self._reports for code in report["reasons"]))

    @property
    def findings(self) -> List[Dict[str, Any]]:
        """Everything that was found, what decides first: ``code``, ``effect``, ``message``, places and values."""
        return [] if "error" in self.raw else [one for report in self._reports for one in report["findings"]]

    @property
    def messages(self) -> List[str]:
        """What was found, in sentences."""
        return [one["message"] for one in self.findings] if "error" not in self.raw else [self.raw["error"]["message"]]

    def __bool__(self) -> bool:
        raise TypeError("a report is not true or false: compare its verdict, as in `report.verdict is Verdict.VERIFIED`")

    def __repr__(self) -> str:
        return f"<aprove.Report: {self.verdict}>"


def verify(
    a: _Path,
    b: _Path,
    *,
    policy: Optional[_Path] = None,
    fail_on: Optional[str] = None,
    forward: Union[bool, str, None] = None,
    arguments: Sequence[str] = (),
    timeout: Optional[float] = None,
) -> Report:
    """Compares two models, as ``aprove verify A B`` does, and returns its report whatever the verdict.

    ``policy``, ``fail_on`` (``"warning"``) and ``forward`` (``True`` or ``False``, ``"on"`` or ``"off"``) are the flags of the
    program with these names, ``arguments`` any others. Raises :class:`NotRun` if there is no verdict, after ``timeout`` seconds
    too.
    """
    if isinstance(forward, bool):
        forward = "on" if forward else "off"
    flags = {"policy": policy, "fail-on": fail_on, "forward": forward}
    options = [f"--{name}={os.fsdecode(value)}" for name, value in flags.items() if value is not None]
    command = [str(PROGRAM), "verify", "--format=json", *options, *arguments, "--", os.fspath(a), os.fspath(b)]
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as why:
        raise NotRun(f"aprove took longer than {timeout} seconds and was stopped") from why
    except OSError as why:
        raise NotRun(f"{PROGRAM} cannot be run: {why}") from why
    try:
        report = Report(json.loads(ran.stdout))
    except (ValueError, KeyError, TypeError) as why:
        said = ran.stderr.decode(errors="replace").strip()
        raise NotRun(f"aprove gave no report, exit code {ran.returncode}: {said}") from why
    if ran.returncode != _EXIT_CODES[report.verdict]:
        raise NotRun(f"aprove wrote {report.verdict} and ended with exit code {ran.returncode}")
    return report


_EXIT_CODES = {Verdict.VERIFIED: 0, Verdict.DIFFERENT: 1, Verdict.UNDECIDED: 2}
