"""Events from Python.

    from scripts.lib.events import attempts, count_events, emit_event, list_events, trace_events

    run = emit_event("deployment_started", service="mosquitto", payload={"version": "2.0"})
    emit_event("deployment_completed", service="mosquitto", correlation_id=run.correlation_id)
    for event in list_events(since="2 days ago", min_severity="error"):
        print(event["timestamp"], event["type"], event["service"])
    chain = trace_events(run.correlation_id)
    for group in count_events(by="service", since="30d", grep="disk full")["groups"]:
        print(group["values"][0], group["events"])
    helped = attempts(service="mosquitto", since="90d")["by_action"]

After "pip install ./scripts", use ``from hlarchive_events import emit_event``.

The ``hlarchive`` command does all the work; this module writes nothing itself. The
command is, in this order: ``$HLARCHIVE_BIN``, the ``hlarchive`` of the PATH, the one in
``/usr/local/bin``, ``/usr/bin``, ``~/.cargo/bin`` or ``~/.local/bin`` (cron's PATH lacks most
of them), the one built in the repository that this file belongs to. ``HLARCHIVE_ROOT``,
``HLARCHIVE_ARCHIVE`` and ``HLARCHIVE_POLICY`` work as for the command.

What the command refuses is raised as :class:`EventsError`; what it warns of (an unknown
type, a file that was passed over) is a Python warning of the category
:class:`EventsWarning`. Standard library only; Python 3.9 or later.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

# As a module of the package, or by itself, from a path that has its directory.
if TYPE_CHECKING or __package__:
    from ._command import *
    from .reports import *
else:
    from _command import *
    from reports import *

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Emitted",
    "EventsError",
    "EventsWarning",
    "Filters",
    "attempts",
    "count_events",
    "emit_event",
    "list_events",
    "outages",
    "status",
    "trace_events",
    "values",
]


class Emitted(NamedTuple):
    """The result of emitting an event. ``str()`` gives the path."""

    path: str
    """The file that was written; empty if the event is kept only in a warning."""
    id: str
    """The event's own id."""
    correlation_id: str
    """The id that links it to others: the given one, else its own id."""

    def __str__(self) -> str:
        return self.path


def emit_event(
    event_type: str,
    severity: str = "info",
    source: Optional[str] = None,
    service: str = "all",
    correlation_id: Optional[str] = None,
    payload: Union[Mapping[str, Any], str, None] = None,
    *,
    node: Optional[str] = None,
    timestamp: Union[str, datetime.datetime, None] = None,
    root: Optional[Path] = None,
) -> Emitted:
    """Writes one event; when this returns, it is on the disk.

    ``source`` is by default the name of the running script. ``payload`` is a mapping
    that JSON can hold, or the text of a JSON object. ``node`` is by default this host,
    ``timestamp`` now.

    Raises :class:`EventsError` if the event was not kept, and ``TypeError`` or
    ``ValueError`` if an argument cannot be passed to the command.
    """
    arguments = places(root, None)
    arguments += ["emit", "--output=json", f"--severity={severity}"]
    arguments += [f"--source={_script() if source is None else source}", f"--service={service}"]
    arguments += flag("--correlation-id", correlation_id)
    arguments += flag("--node", node)
    if timestamp is not None:
        arguments.append(f"--timestamp={time_text(timestamp)}")
    # Through a pipe: arguments are visible to every user of the machine and limited in
    # length.
    arguments += ["--payload=-", "--", event_type]
    result = run(arguments, _payload(payload))
    if result.returncode != 0:
        fail(text(result.stderr), result.returncode)
    warn(text(result.stderr))
    written = json.loads(result.stdout)
    return Emitted(written["path"] or "", written["id"], written["correlation_id"])


def list_events(
    date: Union[Day, Iterable[Day], None] = None,
    *,
    limit: Optional[int] = None,
    reverse: bool = False,
    follow: bool = False,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
    **filters: Unpack[Filters],
) -> Generator[dict[str, Any], None, None]:
    """Yields events in the order of their time, live and archived alike; by default today's.

    Each is a dict of the event's own fields, with ``_path`` (its identity,
    ``DATE/NODE/FILE``) and, when it is archived, ``_segment``. ``filters`` are those of
    :class:`Filters`. Without a match, nothing is yielded. ``follow`` continues with new
    events as they arrive, without end.

    The events are streamed: a year needs no more memory than a day. The command starts
    with the first requested event and ends when the generator is closed or dropped.

    Raises :class:`EventsError`, with the code 74 after the last event if something
    could not be read, so that events may be missing.
    """
    arguments = places(root, archive)
    arguments += ["list", "--output=ndjson", *dates(date), *chosen(filters)]
    if limit is not None:
        arguments.append(f"--limit={limit}")
    if reverse:
        arguments.append("--reverse")
    if follow:
        arguments.append("--follow")
    # A function around the generator, so that wrong arguments are reported at once.
    return stream(arguments)


def count_events(
    by: Optional[Words] = None,
    *,
    per: Optional[str] = None,
    top: Optional[int] = None,
    date: Union[Day, Iterable[Day], None] = None,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
    **filters: Unpack[Filters],
) -> CountReport:
    """Counts events by fields and periods, over all days unless the filters say otherwise.

    ``by`` is a field, or several that are combined: ``service``, ``day``,
    ``payload.stage``. ``per`` is ``hour``, ``day``, ``week`` or ``month``. ``top`` is the
    number of the largest groups, of each period if there are any. Without a match there
    are no groups.

    Raises :class:`EventsError`, with the code 74 when something could not be read, so
    that events may be missing.
    """
    arguments = places(root, archive)
    arguments += ["count", "--output=json", *flag("--by", by), *flag("--per", per)]
    if top is not None:
        arguments.append(f"--top={top}")
    report: CountReport = _report([*arguments, *dates(date), *chosen(filters)])
    return report


def values(
    field: str,
    *,
    top: Optional[int] = None,
    date: Union[Day, Iterable[Day], None] = None,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
    **filters: Unpack[Filters],
) -> list[KnownValue]:
    """Returns the values that events have in a field, the most frequent first.

    ``field`` is as for :func:`count_events`. Raises :class:`EventsError` likewise.
    """
    arguments = places(root, archive)
    arguments += ["values", "--output=json", *dates(date), *chosen(filters)]
    if top is not None:
        arguments.append(f"--top={top}")
    report: CountReport = _report([*arguments, "--", field])
    groups = report["groups"]
    return [KnownValue(group["values"][0], group["events"], group["last_day"]) for group in groups]


def trace_events(
    correlation_id: str,
    *,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
) -> Optional[dict[str, Any]]:
    """Returns the story of a correlation id, over all days; ``None`` if there is no such event.

    The keys are those of ``hlarchive trace -o json``: ``correlation_id``, ``steps`` (in
    the order of time), ``events`` (how many), ``first``, ``last``, ``duration_us``,
    ``outcome`` and ``failure``.

    Raises :class:`EventsError`, with the code 74 when something could not be read, so
    that steps may be missing.
    """
    arguments = places(root, archive)
    arguments += ["trace", "--output=json", "--", correlation_id]
    result = run(arguments)
    if result.returncode not in (0, 1):
        fail(text(result.stderr), result.returncode)
    warn(text(result.stderr))
    if result.returncode == 1:
        return None
    chain: dict[str, Any] = json.loads(result.stdout)
    return chain


def attempts(
    *,
    since: Optional[Time] = None,
    until: Optional[Time] = None,
    within: Optional[str] = None,
    node: Optional[Words] = None,
    service: Optional[Words] = None,
    action: Optional[Words] = None,
    source: Optional[Words] = None,
    correlation_id: Optional[Words] = None,
    unresolved: bool = False,
    reverse: bool = False,
    limit: Optional[int] = None,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
) -> AttemptsReport:
    """Returns what was tried, whether it helped, and a summary by action; the newest first.

    ``within`` is the time after its end in which an attempt may help. Without a match
    there are no attempts.

    Raises :class:`EventsError`, with the code 74 when something could not be read, so
    that attempts or their ends may be missing.
    """
    arguments = places(root, archive)
    arguments += ["attempts", "--output=json", *time_range(since, until), *flag("--within", within)]
    for name, words in (
        ("--node", node),
        ("--service", service),
        ("--action", action),
        ("--source", source),
        ("--correlation-id", correlation_id),
    ):
        arguments += flag(name, words)
    if unresolved:
        arguments.append("--unresolved")
    if reverse:
        arguments.append("--reverse")
    if limit is not None:
        arguments.append(f"--limit={limit}")
    report: AttemptsReport = _report(arguments)
    return report


def outages(
    *,
    since: Optional[Time] = None,
    until: Optional[Time] = None,
    node: Optional[Words] = None,
    service: Optional[Words] = None,
    only_open: bool = False,
    min_gap: Optional[str] = None,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
) -> OutagesReport:
    """Returns how long and how often services and nodes were down; open outages first.

    ``min_gap`` is the uptime below which two outages count as one. Without a match there
    are no outages.

    Raises :class:`EventsError`, with the code 74 when something could not be read, so
    that outages or their ends may be missing.
    """
    arguments = places(root, archive)
    arguments += ["outages", "--output=json", *time_range(since, until), *flag("--min-gap", min_gap)]
    arguments += flag("--node", node) + flag("--service", service)
    if only_open:
        arguments.append("--open")
    report: OutagesReport = _report(arguments)
    return report


def status(
    *,
    since: Optional[Time] = None,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
) -> StatusReport:
    """Returns the state of the history; ``["attention"]`` is true if somebody should look.

    ``since`` is how far back invalid files, conflicts and unfinished runs are reported.

    Raises :class:`EventsError`, with the code 74 when something could not be read, so
    that a problem may be missing.
    """
    arguments = [*places(root, archive), "status", "--output=json", *time_range(since, None)]
    report: StatusReport = _report(arguments)
    return report


def _report(arguments: list[str]) -> Any:
    result = run(arguments)
    # 1: nothing matched, or attention is needed; the report says which.
    if result.returncode not in (0, 1):
        fail(text(result.stderr), result.returncode)
    # The line to look at is the one that called the function that called this one.
    warn(text(result.stderr), stacklevel=4)
    return json.loads(result.stdout)


def _payload(payload: Union[Mapping[str, Any], str, None]) -> bytes:
    if payload is None:
        return b"{}"
    if not isinstance(payload, str):
        # NaN and infinities are not JSON, though Python writes them.
        payload = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False)
    # A surrogate by itself (a file name that is not UTF-8) becomes \udcXX, which inside
    # a JSON string means just that.
    return payload.encode("utf-8", "backslashreplace")


def _script() -> str:
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    # These are "-c" and "-m" if there is no script.
    return name if name and not name.startswith("-") else "python"


