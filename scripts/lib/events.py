"""Events from Python.

    from scripts.lib.events import emit_event, list_events, trace_events

    run = emit_event("deployment_started", service="mosquitto", payload={"version": "2.0"})
    emit_event("deployment_completed", service="mosquitto", correlation_id=run.correlation_id)
    for event in list_events(since="2 days ago", min_severity="error"):
        print(event["timestamp"], event["type"], event["service"])
    chain = trace_events(run.correlation_id)

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
import shutil
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from typing import IO, Any, NamedTuple, NoReturn, Optional, Union

__all__ = [
    "Emitted",
    "EventsError",
    "EventsWarning",
    "emit_event",
    "list_events",
    "trace_events",
]

Path = Union[str, "os.PathLike[str]"]
"""A directory."""

Day = Union[str, datetime.date]
"""A day: ``2026-05-16``, ``yesterday``, a :class:`datetime.date`."""

Time = Union[str, datetime.date]
"""A time: a day, ISO 8601, ``2h ago``, a :class:`datetime.datetime` with a time zone."""

Words = Union[str, Iterable[str]]
"""One value of a filter, or several, of which any may match."""

_WARNING = "hlarchive: warning: "


class EventsError(Exception):
    """The command refused or failed; the text is its own explanation.

    ``returncode`` is its exit code: 2 wrong usage, 65 bad data, 73 cannot create, 74 I/O
    error or damage, 75 busy, 77 not permitted, 78 bad policy, 127 no command found;
    negative where a signal ended it.
    """

    def __init__(self, message: str, returncode: int) -> None:
        super().__init__(message)
        self.returncode = returncode

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions travel between processes by pickle, which would drop the code.
        return (type(self), (str(self), self.returncode))


class EventsWarning(UserWarning):
    """The command succeeded, but reported something to check."""


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
    arguments = _globals(root, None)
    arguments += ["emit", "--output=json", f"--severity={severity}"]
    arguments += [f"--source={_script() if source is None else source}", f"--service={service}"]
    arguments += _flag("--correlation-id", correlation_id)
    arguments += _flag("--node", node)
    if timestamp is not None:
        arguments.append(f"--timestamp={_time(timestamp)}")
    # Through a pipe: arguments are visible to every user of the machine and limited in
    # length.
    arguments += ["--payload=-", "--", event_type]
    result = _run(arguments, _payload(payload))
    if result.returncode != 0:
        _fail(_text(result.stderr), result.returncode)
    _warn(_text(result.stderr))
    written = json.loads(result.stdout)
    return Emitted(written["path"] or "", written["id"], written["correlation_id"])


def list_events(
    date: Union[Day, Iterable[Day], None] = None,
    *,
    since: Optional[Time] = None,
    until: Optional[Time] = None,
    node: Optional[Words] = None,
    event_type: Optional[Words] = None,
    severity: Optional[Words] = None,
    min_severity: Optional[str] = None,
    service: Optional[Words] = None,
    source: Optional[Words] = None,
    correlation_id: Optional[Words] = None,
    limit: Optional[int] = None,
    reverse: bool = False,
    follow: bool = False,
    root: Optional[Path] = None,
    archive: Optional[Path] = None,
) -> Generator[dict[str, Any], None, None]:
    """Yields events in the order of their time, live and archived alike; by default today's.

    Each is a dict of the event's own fields, with ``_path`` (its identity,
    ``DATE/NODE/FILE``) and, when it is archived, ``_segment``. Several values of one
    filter are alternatives; different filters must all match. Without a match, nothing is
    yielded. ``follow`` continues with new events as they arrive, without end.

    The events are streamed: a year needs no more memory than a day. The command starts
    with the first requested event and ends when the generator is closed or dropped.

    Raises :class:`EventsError`, with the code 74 after the last event if something
    could not be read, so that events may be missing.
    """
    arguments = _globals(root, archive)
    arguments += ["list", "--output=ndjson"]
    if date is not None:
        days = [date] if isinstance(date, (str, datetime.date)) else list(date)
        arguments += [f"--date={_day(day)}" for day in days]
    for name, time in (("--since", since), ("--until", until)):
        if time is not None:
            arguments.append(f"{name}={_time(time)}")
    for name, words in (
        ("--node", node),
        ("--type", event_type),
        ("--severity", severity),
        ("--min-severity", min_severity),
        ("--service", service),
        ("--source", source),
        ("--correlation-id", correlation_id),
    ):
        arguments += _flag(name, words)
    if limit is not None:
        arguments.append(f"--limit={limit}")
    if reverse:
        arguments.append("--reverse")
    if follow:
        arguments.append("--follow")
    # A function around the generator, so that wrong arguments are reported at once.
    return _stream(arguments)


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
    arguments = _globals(root, archive)
    arguments += ["trace", "--output=json", "--", correlation_id]
    result = _run(arguments)
    if result.returncode not in (0, 1):
        _fail(_text(result.stderr), result.returncode)
    _warn(_text(result.stderr))
    if result.returncode == 1:
        return None
    chain: dict[str, Any] = json.loads(result.stdout)
    return chain


def _stream(arguments: list[str]) -> Generator[dict[str, Any], None, None]:
    process = _start(arguments)
    stdout, stderr = process.stdout, process.stderr
    assert stdout is not None and stderr is not None
    # The last lines hold the reason of a failure. A thread reads them, since a full pipe
    # would stop the command.
    told: deque[bytes] = deque(maxlen=1000)
    listener = threading.Thread(target=told.extend, args=(stderr,), daemon=True)
    listener.start()
    try:
        for line in stdout:
            if not line.endswith(b"\n"):
                break  # cut off when the command was killed, which its exit code tells
            event: dict[str, Any] = json.loads(line)
            yield event
        returncode = process.wait()
    finally:
        _end(process, stdout, stderr, listener)
    message = _text(b"".join(told))
    # 1: filters were given, and nothing matched.
    if returncode not in (0, 1):
        _fail(message, returncode)
    _warn(message)


def _end(
    process: subprocess.Popen[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
    listener: threading.Thread,
) -> None:
    """Ends the command, if it is still running, and closes its pipes."""
    stdout.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    listener.join(5)
    if not listener.is_alive():
        stderr.close()


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    command = _command(arguments)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
    except OSError as error:
        _cannot_run(command, error)


def _run(arguments: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = _command(arguments)
    try:
        return subprocess.run(
            command, input=stdin, capture_output=True, check=False, env=_environment()
        )
    except OSError as error:
        _cannot_run(command, error)


def _environment() -> dict[str, str]:
    # Messages become exceptions and warnings here, and must be sentences.
    return {**os.environ, "HLARCHIVE_LOG_FORMAT": "text"}


def _cannot_run(command: list[bytes], error: OSError) -> NoReturn:
    program = _text(command[0])
    message = f"{program}: cannot run: {error.strerror or error}"
    raise EventsError(message, 127 if isinstance(error, FileNotFoundError) else 126) from error


def _command(arguments: list[str]) -> list[bytes]:
    # As UTF-8, which is what the command reads, whatever the locale says.
    return [word.encode("utf-8", "surrogateescape") for word in [_program(), *arguments]]


def _program() -> str:
    named = os.environ.get("HLARCHIVE_BIN")
    if named:
        return named
    found = shutil.which("hlarchive")
    if found:
        return found
    for folder in ("/usr/local/bin", "/usr/bin", "~/.cargo/bin", "~/.local/bin"):
        installed = os.path.join(os.path.expanduser(folder), "hlarchive")
        if os.path.isfile(installed) and os.access(installed, os.X_OK):
            return installed
    repository = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    for profile in ("release", "debug"):
        built = os.path.join(repository, "target", profile, "hlarchive")
        if os.access(built, os.X_OK):
            return built
    raise EventsError(
        "the hlarchive command is missing; install it, build it with "
        '"cargo build --release", or name it in HLARCHIVE_BIN',
        127,
    )


def _globals(root: Optional[Path], archive: Optional[Path]) -> list[str]:
    flags = (("--root", root), ("--archive", archive))
    return [f"{name}={os.fspath(path)}" for name, path in flags if path is not None]


def _flag(name: str, words: Optional[Words]) -> list[str]:
    """The flag once for each value; "name=value", so that values may begin with a dash."""
    if words is None:
        return []
    return [f"{name}={word}" for word in ([words] if isinstance(words, str) else words)]


def _time(time: Time) -> str:
    if isinstance(time, str):
        return time
    if isinstance(time, datetime.datetime):
        if time.tzinfo is None:
            raise ValueError(f"{time.isoformat()} has no time zone; is it local or UTC?")
        return time.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    return time.isoformat()


def _day(day: Day) -> str:
    if isinstance(day, datetime.datetime):
        return _time(day)[:10]
    return _time(day)


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


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _warn(told: str) -> None:
    for line in told.splitlines():
        if line.startswith(_WARNING):
            # The line to look at is the one that called into this module.
            warnings.warn(line[len(_WARNING) :], EventsWarning, stacklevel=3)


def _fail(told: str, returncode: int) -> NoReturn:
    """Raises the command's explanation, without its name and its usage text."""
    lines = told.strip().splitlines()
    warned = [line[len(_WARNING) :] for line in lines if line.startswith(_WARNING)]
    lines = [line for line in lines if not line.startswith(_WARNING)]
    message = "\n".join(lines).split("\n\n")[0]
    try:
        message = json.loads(lines[-1])["error"]["message"]
    except (IndexError, KeyError, TypeError, ValueError):
        for prefix in ("hlarchive: ", "error: "):
            if message.startswith(prefix):
                message = message[len(prefix) :]
    # A command that continues despite damage reports it only in warnings.
    message = message or "\n".join(warned)
    if not message:
        ended = f"by signal {-returncode}" if returncode < 0 else f"with the code {returncode}"
        message = f"hlarchive ended {ended} and said nothing"
    raise EventsError(message, returncode)
