"""How the library runs the ``hlarchive`` command: finds it, hands it its flags, and makes
exceptions and warnings of what it says. Not for users; :mod:`events` is."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterable
from typing import IO, Any, NoReturn, Optional, TypedDict, Union

__all__ = [
    "Day",
    "EventsError",
    "EventsWarning",
    "Filters",
    "Path",
    "Time",
    "Words",
    "chosen",
    "dates",
    "fail",
    "flag",
    "places",
    "run",
    "stream",
    "text",
    "time_range",
    "time_text",
    "warn",
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


class Filters(TypedDict, total=False):
    """Which events: the filters that ``list_events``, ``count_events`` and ``values`` share.

    Several values of one filter are alternatives; different filters must all match.
    """

    since: Optional[Time]
    """At or after this time."""
    until: Optional[Time]
    """Before this time; a day means its end."""
    around: Optional[Time]
    """Around this time, or around the event with this id or path."""
    within: Optional[str]
    """So long before and after ``around``: ``10m``."""
    node: Optional[Words]
    event_type: Optional[Words]
    severity: Optional[Words]
    min_severity: Optional[str]
    """This severity or worse."""
    service: Optional[Words]
    source: Optional[Words]
    correlation_id: Optional[Words]
    grep: Optional[Words]
    """Regular expressions, one of which must match a value; of lower case for any case."""
    and_grep: Optional[Words]
    """Regular expressions, all of which must match, too."""
    fixed_strings: bool
    """True if the patterns are plain text."""
    invert: bool
    """True for events that the patterns do not match."""
    where: Optional[Words]
    """Conditions, all of which must hold: ``payload.attempt>=3``."""


# Each filter and its flag.
_WORDS = {
    "node": "--node",
    "event_type": "--type",
    "severity": "--severity",
    "min_severity": "--min-severity",
    "service": "--service",
    "source": "--source",
    "correlation_id": "--correlation-id",
    "grep": "--grep",
    "and_grep": "--and-grep",
    "where": "--where",
    "within": "--within",
}
_TIMES = {"since": "--since", "until": "--until", "around": "--around"}
_SWITCHES = {"fixed_strings": "--fixed-strings", "invert": "--invert"}


def stream(arguments: list[str]) -> Generator[dict[str, Any], None, None]:
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
    message = text(b"".join(told))
    # 1: filters were given, and nothing matched.
    if returncode not in (0, 1):
        fail(message, returncode)
    warn(message)


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


def run(arguments: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
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
    program = text(command[0])
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


def places(root: Optional[Path], archive: Optional[Path]) -> list[str]:
    flags = (("--root", root), ("--archive", archive))
    return [f"{name}={os.fspath(path)}" for name, path in flags if path is not None]


def flag(name: str, words: Optional[Words]) -> list[str]:
    """The flag once for each value; "name=value", so that values may begin with a dash."""
    if words is None:
        return []
    return [f"{name}={word}" for word in ([words] if isinstance(words, str) else words)]


def time_text(time: Time) -> str:
    if isinstance(time, str):
        return time
    if isinstance(time, datetime.datetime):
        if time.tzinfo is None:
            raise ValueError(f"{time.isoformat()} has no time zone; is it local or UTC?")
        return time.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    return time.isoformat()


def day_text(day: Day) -> str:
    if isinstance(day, datetime.datetime):
        return time_text(day)[:10]
    return time_text(day)


def dates(date: Union[Day, Iterable[Day], None]) -> list[str]:
    if date is None:
        return []
    days = [date] if isinstance(date, (str, datetime.date)) else date
    return [f"--date={day_text(day)}" for day in days]


def time_range(since: Optional[Time], until: Optional[Time]) -> list[str]:
    ends = (("--since", since), ("--until", until))
    return [f"{name}={time_text(time)}" for name, time in ends if time is not None]


def chosen(filters: Filters) -> list[str]:
    arguments: list[str] = []
    for name, value in filters.items():
        if name not in {**_WORDS, **_TIMES, **_SWITCHES}:
            raise TypeError(f"{name} is not a filter; there are {', '.join(Filters.__annotations__)}")
        given: Any = value
        if name in _SWITCHES:
            arguments += [_SWITCHES[name]] if given else []
        elif name in _TIMES:
            arguments += [] if given is None else [f"{_TIMES[name]}={time_text(given)}"]
        else:
            arguments += flag(_WORDS[name], given)
    return arguments


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def warn(told: str, stacklevel: int = 3) -> None:
    for line in told.splitlines():
        if line.startswith(_WARNING):
            # The line to look at is the one that called into this module.
            warnings.warn(line[len(_WARNING) :], EventsWarning, stacklevel=stacklevel)


def fail(told: str, returncode: int) -> NoReturn:
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
