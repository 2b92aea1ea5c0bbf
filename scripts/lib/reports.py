"""Types of the reports that the library gives, for type checkers and for readers.

Each has the members of the command's JSON, as the help of that command describes them. Times
are texts (``2026-05-16T10:00:00.000000Z``), days are texts (``2026-05-16``). At run time a
report is a plain dict; the command may add members.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, TypedDict

__all__ = [
    "ActionSummary",
    "Attempt",
    "AttemptsReport",
    "CountGroup",
    "CountReport",
    "Figures",
    "KnownValue",
    "Outage",
    "OutageAttempt",
    "OutagesReport",
    "Problem",
    "StatusReport",
    "Unended",
]


class KnownValue(NamedTuple):
    """A value that events have in a field."""

    value: Optional[str]
    """The value; ``None`` stands for events without one."""
    events: int
    """The number of events that have it."""
    last_day: str
    """The last day with such an event."""


class _Period(TypedDict, total=False):
    period: str
    """The hour, day, week or month, if periods were counted apart."""


class CountGroup(_Period):
    """The number of events that have the same values."""

    values: list[Optional[str]]
    events: int
    last_day: str


class _Asked(TypedDict):
    """The range that was asked for, and what could not be looked at."""

    since: Optional[str]
    until: Optional[str]
    expired: Optional[dict[str, Any]]
    unreached: Optional[dict[str, Any]]


class CountReport(_Asked):
    """Numbers of events."""

    by: list[str]
    groups: list[CountGroup]
    events: int
    in_other_groups: int


class Attempt(TypedDict):
    """A remediation that was started, and what became of it."""

    timestamp: str
    correlation_id: str
    node: str
    service: str
    source: str
    action: Optional[str]
    attempt: Optional[int]
    outcome: str
    number: int
    tries: int
    completed: bool
    failed: bool
    duration_us: Optional[int]
    afterwards: str
    afterwards_us: Optional[int]
    path: str
    segment: Optional[str]


class ActionSummary(TypedDict):
    """The outcomes of one action."""

    action: Optional[str]
    tries: int
    helped: int
    no_effect: int
    failed: int
    superseded: int
    unknown: int
    last_helped: Optional[str]


class AttemptsReport(_Asked):
    """Attempts, and a summary of each action."""

    within_seconds: int
    attempts: list[Attempt]
    by_action: list[ActionSummary]
    started: int
    completed: int
    failed: int
    unresolved: int
    stray_ends: int


class OutageAttempt(TypedDict):
    """A remediation that began while something was down."""

    timestamp: str
    action: Optional[str]
    source: str
    correlation_id: str
    ended: Optional[str]
    preceded_recovery: bool
    path: str


# "from" is a word of Python, so these two are not written as a class.
Outage = TypedDict(
    "Outage",
    {
        "node": str,
        "service": Optional[str],
        "from": str,
        "to": Optional[str],
        "seconds": int,
        "open": bool,
        "flaps": int,
        "type": str,
        "cause": Optional[str],
        "correlation_id": str,
        "path": str,
        "tries": int,
        "attempts": list[OutageAttempt],
    },
)
Outage.__doc__ = "A time in which a service or, without one, a node was down."


class Figures(TypedDict):
    """Figures of a service or node in the range."""

    node: str
    service: Optional[str]
    since: str
    until: str
    count: int
    open: int
    flaps: int
    total_seconds: int
    longest_seconds: int
    mttr_seconds: Optional[int]
    mtbf_seconds: Optional[int]
    availability: Optional[float]


class OutagesReport(_Asked):
    """Outages, and the figures of each service and node."""

    min_gap_seconds: int
    services: list[Figures]
    outages: list[Outage]


class Problem(TypedDict):
    """Something that is still bad."""

    kind: str
    type: str
    severity: str
    since: str
    last: str
    node: str
    service: Optional[str]
    correlation_id: str
    path: str
    error: Optional[str]
    next: str


class Unended(TypedDict):
    """Runs whose end nobody reported."""

    count: int
    since: str
    correlation_id: str
    next: str


class StatusReport(TypedDict):
    """The state of the history; ``attention`` says whether somebody should look."""

    time: str
    since: str
    attention: bool
    problems: list[Problem]
    unended: Optional[Unended]
    findings: list[dict[str, Any]]
    live_invalid: int
    new_invalid: int
    new_conflicts: int
    live: dict[str, Any]
    archived: dict[str, Any]
    last_rotate: Optional[dict[str, Any]]
    last_prune: Optional[dict[str, Any]]
    last_runs: dict[str, Any]
    next_rotate: list[dict[str, Any]]
    next_prune: Optional[dict[str, Any]]
