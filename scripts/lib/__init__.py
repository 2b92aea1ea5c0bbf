"""Events from Python: ``scripts.lib`` in the repository, ``hlarchive_events`` where installed."""

from .events import (
    Emitted,
    EventsError,
    EventsWarning,
    emit_event,
    list_events,
    trace_events,
)

__all__ = [
    "Emitted",
    "EventsError",
    "EventsWarning",
    "emit_event",
    "list_events",
    "trace_events",
]
