"""Events from Python: ``scripts.lib`` in the repository, ``hlarchive_events`` where installed."""

from . import events, reports
from .events import *
from .reports import *

__all__ = events.__all__ + reports.__all__
