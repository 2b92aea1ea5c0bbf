"""Tests of scripts/lib/events.py against a real hlarchive, in temporary directories.

From the repository root:

    HLARCHIVE_BIN=target/release/hlarchive python3 -m unittest tests/test_events.py
"""

from __future__ import annotations

import collections
import datetime
import gc
import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from scripts.lib import (  # noqa: E402
    Emitted,
    EventsError,
    EventsWarning,
    KnownValue,
    attempts,
    count_events,
    emit_event,
    list_events,
    outages,
    status,
    trace_events,
    values,
)


class EventsTest(unittest.TestCase):
    """Each test has an event tree of its own."""

    def setUp(self) -> None:
        binary = os.environ.get("HLARCHIVE_BIN")
        if not binary:
            self.skipTest("HLARCHIVE_BIN does not name the command to test")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.scratch = Path(directory.name)
        self.root = self.scratch / "events"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("HLARCHIVE_")
        }
        environment["HLARCHIVE_BIN"] = os.path.abspath(binary) if "/" in binary else binary
        environment["HLARCHIVE_ROOT"] = str(self.root)
        patch = mock.patch.dict(os.environ, environment, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def read(self, emitted: Emitted) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(Path(emitted.path).read_text("utf-8"))
        return event

    def stand_in(self, script: str) -> None:
        """A command in place of the real one, for what that does not do on demand."""
        program = self.scratch / "stand-in"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        os.environ["HLARCHIVE_BIN"] = str(program)


class Emit(EventsTest):
    def test_the_documented_call_writes_an_event(self) -> None:
        emitted = emit_event(
            "deployment_started", "info", "my-script.py", "mosquitto", "unique-cid", {"version": "1.0"}
        )
        event = self.read(emitted)
        self.assertEqual(
            list(event),
            "timestamp node type severity source service correlation_id payload".split(),
        )
        self.assertEqual(event["type"], "deployment_started")
        self.assertEqual(event["severity"], "info")
        self.assertEqual(event["source"], "my-script.py")
        self.assertEqual(event["service"], "mosquitto")
        self.assertEqual(event["correlation_id"], "unique-cid")
        self.assertEqual(event["payload"], {"version": "1.0"})
        self.assertEqual(emitted.correlation_id, "unique-cid")
        self.assertIn(emitted.id, emitted.path)
        self.assertEqual(str(emitted), emitted.path)
        self.assertTrue(emitted.path.startswith(str(self.root)))

    def test_what_is_left_out_gets_its_default(self) -> None:
        with mock.patch.object(sys, "argv", ["/opt/bin/backup.py", "--all"]):
            emitted = emit_event("node_online")
        event = self.read(emitted)
        self.assertEqual(event["severity"], "info")
        self.assertEqual(event["source"], "backup.py")
        self.assertEqual(event["service"], "all")
        self.assertEqual(event["payload"], {})
        self.assertEqual(event["correlation_id"], emitted.id)
        for argv in (["-c"], [""], []):
            with mock.patch.object(sys, "argv", argv):
                self.assertEqual(self.read(emit_event("node_online"))["source"], "python")

    def test_it_can_be_imported_from_the_repository_root(self) -> None:
        script = (
            "from scripts.lib.events import emit_event\n"
            "print(emit_event('deployment_started', 'info', 's.py', 'all', 'c', {'a': 1}))"
        )
        result = subprocess.run(
            [sys.executable, "-c", script],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            check=True,
        )
        self.assertTrue(os.path.isfile(result.stdout.decode().strip()))

    def test_hostile_payloads_arrive_as_they_are(self) -> None:
        os.chdir(self.scratch)
        self.addCleanup(os.chdir, REPOSITORY)
        payload = {
            "shell": "$(touch pwned) `touch pwned` ${HOME} ; & | > x",
            "quotes": "it's \"quoted\" \\",
            "lines": "a\nb\r\n\tc\x00d\x7f",
            "unicode": "grüße 🏠 日本語 مرحبا \u2028",
            "--severity=critical": "-",
            "numbers": [0, -1, 1.5, 10**30, True, None],
            "nested": {"a": [{"b": {}}]},
        }
        self.assertEqual(self.read(emit_event("node_online", payload=payload))["payload"], payload)
        self.assertEqual(sorted(os.listdir(self.scratch)), ["events"])

    def test_a_payload_may_be_longer_than_an_argument(self) -> None:
        payload = {"log": "x" * 200_000}
        self.assertEqual(self.read(emit_event("node_online", payload=payload))["payload"], payload)

    def test_a_payload_may_be_json_text_or_any_mapping(self) -> None:
        text = '{"version": 1.10}'
        path = emit_event("node_online", payload=text).path
        self.assertIn('"payload":{"version":1.10}}', Path(path).read_text())
        ordered = collections.ChainMap({"a": 1})
        self.assertEqual(self.read(emit_event("node_online", payload=ordered))["payload"], {"a": 1})

    def test_text_that_is_not_unicode_loses_no_event(self) -> None:
        name = os.fsdecode(b"caf\xe9.txt")
        self.assertEqual(self.read(emit_event("node_online", payload={"f": name}))["payload"], {"f": name})

    def test_values_may_begin_with_a_dash(self) -> None:
        event = self.read(emit_event("node_online", "info", "--source", "-v", "-c"))
        self.assertEqual(
            (event["source"], event["service"], event["correlation_id"]), ("--source", "-v", "-c")
        )
        self.assertEqual(len(list(list_events(source="--source", correlation_id="-c"))), 1)
        self.assertIsNotNone(trace_events("-c"))

    def test_node_time_and_root_can_be_given(self) -> None:
        zone = datetime.timezone(datetime.timedelta(hours=2))
        when = datetime.datetime(2026, 5, 16, 1, 30, 0, 250_000, tzinfo=zone)
        root = self.scratch / "other events"
        event = emit_event("node_online", node="pi4", timestamp=when, root=root)
        self.assertTrue(event.path.startswith(f"{root}/2026-05-15/pi4/20260515T233000.250000Z_"))
        self.assertEqual(self.read(event)["timestamp"], "2026-05-15T23:30:00.250000Z")
        text = emit_event("node_online", timestamp="2026-05-16T10:11:12Z", root=root)
        self.assertIn("/2026-05-16/", text.path)
        with self.assertRaisesRegex(ValueError, "time zone"):
            emit_event("node_online", timestamp=datetime.datetime(2026, 5, 16))

    def test_what_the_command_refuses_is_raised_in_its_words(self) -> None:
        with self.assertRaisesRegex(EventsError, "severity") as caught:
            emit_event("node_online", "fatal")
        self.assertIn(caught.exception.returncode, (2, 65))
        for payload in ("[1]", '{"a":', "version=1", "null"):
            with self.assertRaisesRegex(EventsError, "^payload") as caught:
                emit_event("node_online", payload=payload)
            self.assertEqual(caught.exception.returncode, 65)
        with self.assertRaises(EventsError):
            emit_event("../../etc/passwd")
        with self.assertRaises(EventsError):
            emit_event("node_online", node="../up")
        self.assertEqual(list(self.scratch.rglob("*.json")), [])

    def test_what_json_cannot_hold_is_raised_before_anything_runs(self) -> None:
        self.stand_in("touch ran")
        for value in (float("nan"), float("inf")):
            with self.assertRaises(ValueError):
                emit_event("node_online", payload={"a": value})
        with self.assertRaises(TypeError):
            emit_event("node_online", payload={"a": object()})

    def test_a_warning_of_the_command_is_a_warning_here(self) -> None:
        with self.assertWarnsRegex(EventsWarning, "deploymint_started") as caught:
            emitted = emit_event("deploymint_started")
        self.assertEqual(caught.filename, __file__)
        self.assertTrue(os.path.isfile(emitted.path))

    def test_messages_are_sentences_whatever_the_environment_asks_of_the_command(self) -> None:
        os.environ["HLARCHIVE_LOG_FORMAT"] = "json"
        with self.assertWarnsRegex(EventsWarning, "^type: deploymint_started is not a known type"):
            emit_event("deploymint_started")
        with self.assertRaises(EventsError) as caught:
            emit_event("node_online", "awful")
        self.assertNotIn("{", str(caught.exception))
        self.assertEqual(caught.exception.returncode, 65)

    def test_the_payload_is_in_no_argument(self) -> None:
        self.stand_in(
            f'printf "%s\\n" "$@" >{self.scratch}/arguments; cat >{self.scratch}/stdin\n'
            'echo \'{"path":"p","id":"i","correlation_id":"c"}\''
        )
        self.assertEqual(emit_event("x", payload={"password": "hunter2"}), ("p", "i", "c"))
        self.assertIn("hunter2", (self.scratch / "stdin").read_text())
        self.assertNotIn("hunter2", (self.scratch / "arguments").read_text())

    def test_a_refusal_before_the_payload_was_read_is_told(self) -> None:
        self.stand_in('echo "hlarchive: /x: cannot create: permission denied" >&2; exit 77')
        with self.assertRaises(EventsError) as caught:
            emit_event("x", payload={"a": "x" * 3_000_000})
        self.assertEqual(str(caught.exception), "/x: cannot create: permission denied")
        self.assertEqual(caught.exception.returncode, 77)


class List(EventsTest):
    def test_events_come_in_the_order_of_their_time(self) -> None:
        for hour in (12, 10, 11):
            emit_event("node_online", timestamp=f"2026-05-16T{hour}:00:00Z", node="pi4")
        emit_event("node_online", timestamp="2026-05-17T00:00:00Z", node="pi4")
        events = list(list_events("2026-05-16"))
        self.assertEqual([event["timestamp"][11:13] for event in events], ["10", "11", "12"])
        self.assertRegex(events[0]["_path"], r"^2026-05-16/pi4/20260516T100000\.000000Z_node_online_.*\.json$")
        self.assertNotIn("_segment", events[0])
        self.assertEqual(list(list_events(datetime.date(2026, 5, 16))), events)
        self.assertEqual(list(list_events("2026-05-16", reverse=True)), events[::-1])
        self.assertEqual(list(list_events("2026-05-16", limit=2)), events[:2])
        self.assertEqual(len(list(list_events(["2026-05-16", "2026-05-17"]))), 4)
        with self.assertRaisesRegex(EventsError, "neither an event tree") as caught:
            list(list_events("2026-05-16", root=self.scratch / "none"))
        self.assertEqual(caught.exception.returncode, 66)

    def test_today_is_the_default(self) -> None:
        emit_event("node_online", payload={"n": "line\nbreak"})
        self.assertEqual([event["payload"] for event in list_events()], [{"n": "line\nbreak"}])

    def test_bounds_of_time_may_be_datetimes(self) -> None:
        for hour in (10, 11, 12):
            emit_event("node_online", timestamp=f"2026-05-16T{hour}:00:00Z")
        zone = datetime.timezone(datetime.timedelta(hours=2))
        since = datetime.datetime(2026, 5, 16, 12, 30, tzinfo=zone)
        found = list_events(since=since, until="2026-05-16T12:00:00Z")
        self.assertEqual([event["timestamp"][11:13] for event in found], ["11"])

    def test_filters_choose_and_nothing_matched_is_no_error(self) -> None:
        emit_event("node_online", "info", "a", "mosquitto", "c1", node="pi4")
        emit_event("node_offline", "error", "b", "grafana", "c2", node="pi5")
        emit_event("node_offline", "critical", "b", "all", "c2", node="nas")
        for count, wanted in (
            (1, list_events(event_type="node_online")),
            (1, list_events(severity="error")),
            (2, list_events(min_severity="error")),
            (2, list_events(severity=["info", "critical"])),
            (2, list_events(node=("pi4", "nas"))),
            (1, list_events(service="grafana")),
            (2, list_events(source="b")),
            (2, list_events(correlation_id="c2")),
            (1, list_events(correlation_id="c2", node="pi5")),
            (0, list_events(service="$(id)")),
        ):
            self.assertEqual(len(list(wanted)), count)

    def test_wrong_filters_are_raised(self) -> None:
        emit_event("node_online")
        with self.assertRaisesRegex(EventsError, "fatal") as caught:
            list(list_events(severity="fatal"))
        self.assertEqual(caught.exception.returncode, 2)
        with self.assertRaisesRegex(EventsError, "2026-02-30"):
            list(list_events("2026-02-30"))
        # Before the first event is asked for.
        with self.assertRaisesRegex(ValueError, "time zone"):
            list_events(since=datetime.datetime(2026, 5, 16))

    def test_a_generator_that_is_left_ends_the_command(self) -> None:
        pid = self.scratch / "pid"
        self.stand_in(f"echo $$ >{pid}; while :; do echo '{{\"a\":1}}'; done")
        events = list_events(follow=True)
        self.assertEqual(next(events), {"a": 1})
        events.close()
        self.assert_gone(pid)
        for event in list_events(follow=True):
            self.assertEqual(event, {"a": 1})
            break
        del event
        gc.collect()
        self.assert_gone(pid)

    def test_a_generator_that_is_left_ends_a_silent_command(self) -> None:
        pid = self.scratch / "pid"
        self.stand_in(f"echo $$ >{pid}; echo '{{\"a\":1}}'; exec sleep 60")
        events = list_events(follow=True)
        self.assertEqual(next(events), {"a": 1})
        events.close()
        self.assert_gone(pid)

    def assert_gone(self, pid: Path) -> None:
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
        pid.unlink()

    def test_following_sees_new_events(self) -> None:
        emit_event("node_online")
        events = list_events(follow=True)
        self.assertEqual(next(events)["type"], "node_online")
        emit_event("node_offline")
        self.assertEqual(next(events)["type"], "node_offline")
        events.close()

    def test_what_could_not_be_read_is_raised_after_what_could(self) -> None:
        self.stand_in(
            "echo '{\"a\":1}'; echo 'hlarchive: warning: a.tar.zst: frame 3 is damaged' >&2; exit 74"
        )
        events = list_events()
        self.assertEqual(next(events), {"a": 1})
        with self.assertRaises(EventsError) as caught:
            next(events)
        self.assertEqual(caught.exception.returncode, 74)
        self.assertIn("frame 3 is damaged", str(caught.exception))

    def test_a_command_that_is_killed_within_a_line_is_an_error(self) -> None:
        self.stand_in("echo '{\"a\":1}'; printf '{\"a\":'; kill -9 $$")
        events = list_events()
        self.assertEqual(next(events), {"a": 1})
        with self.assertRaisesRegex(EventsError, "signal 9") as caught:
            next(events)
        self.assertEqual(caught.exception.returncode, -9)

    def test_many_words_on_standard_error_do_not_stop_the_stream(self) -> None:
        self.stand_in(
            "i=0; while [ $i -lt 5000 ]; do echo 'hlarchive: warning: passed over a file' >&2; "
            "i=$((i + 1)); done; echo '{\"a\":1}'"
        )
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            self.assertEqual(list(list_events()), [{"a": 1}])


class Trace(EventsTest):
    def test_a_chain_is_told_in_the_order_of_its_steps(self) -> None:
        emit_event("deployment_started", correlation_id="run-1", service="mosquitto")
        emit_event("deployment_failed", "error", correlation_id="run-1", payload={"error": "no route"})
        emit_event("deployment_started", correlation_id="run-2")
        chain = trace_events("run-1")
        assert chain is not None
        self.assertEqual(chain["correlation_id"], "run-1")
        self.assertEqual(chain["events"], 2)
        self.assertEqual(
            [step["type"] for step in chain["steps"]], ["deployment_started", "deployment_failed"]
        )
        self.assertIn("outcome", chain)

    def test_an_unknown_id_gives_none(self) -> None:
        emit_event("node_online", correlation_id="run-1")
        self.assertIsNone(trace_events("no-such-run"))
        with self.assertRaisesRegex(EventsError, "neither an event tree") as caught:
            trace_events("run-1", root=self.scratch / "none")
        self.assertEqual(caught.exception.returncode, 66)

    def test_a_failure_is_raised(self) -> None:
        self.stand_in(
            'echo \'{"error":{"code":78,"message":"policy.toml:3: no"}}\' >&2; exit 78'
        )
        with self.assertRaises(EventsError) as caught:
            trace_events("x")
        self.assertEqual(str(caught.exception), "policy.toml:3: no")
        self.assertEqual(caught.exception.returncode, 78)


class Search(EventsTest):
    def setUp(self) -> None:
        super().setUp()
        for hour, stage in ((10, "pull"), (11, "build"), (12, "up")):
            emit_event(
                "deployment_failed" if hour == 11 else "deployment_started",
                timestamp=f"2026-05-16T{hour}:00:00Z",
                service="mosquitto",
                payload={"stage": stage, "attempt": hour, "error": "Disk full (--yes)"},
            )

    def hours(self, **filters: Any) -> list[str]:
        return [event["timestamp"][11:13] for event in list_events("2026-05-16", **filters)]

    def test_text_and_values_of_events_can_be_searched(self) -> None:
        for wanted, filters in (
            (["11"], {"grep": "build"}),
            (["10", "11"], {"grep": ["pull", "build"]}),
            (["11"], {"grep": "full", "and_grep": ["build", "disk"]}),
            (["10", "11", "12"], {"grep": "(--yes)", "fixed_strings": True}),
            (["10", "12"], {"grep": "build", "invert": True}),
            (["11", "12"], {"where": "payload.attempt>=11"}),
            (["11"], {"where": ("payload.attempt>=11", "payload.stage!=up")}),
            (["12"], {"where": ["payload.attempt>=11"], "event_type": "deployment_started"}),
            ([], {"grep": "--no"}),
            (["10", "11", "12"], {"grep": None, "where": [], "invert": False}),
        ):
            self.assertEqual(self.hours(**filters), wanted, filters)
        self.assertEqual(self.hours(around="2026-05-16T11:00:00Z", within="10m"), ["11"])
        event = next(list_events("2026-05-16", grep="build"))
        name = event["_path"].rsplit("/", 1)[1]
        around = list_events(around=name.rsplit("_", 1)[1][:-5], within="1h")
        self.assertEqual(len(list(around)), 3)

    def test_a_search_that_is_wrong_is_raised_in_the_words_of_the_command(self) -> None:
        for filters in ({"grep": "("}, {"where": "payload.error~("}, {"invert": True}):
            with self.assertRaises(EventsError) as caught:
                self.hours(**filters)
            self.assertEqual(caught.exception.returncode, 2, filters)
        for call in (lambda **f: list_events(**f), count_events, lambda **f: values("node", **f)):
            with self.assertRaisesRegex(TypeError, "servise is not a filter; there are since, until"):
                call(servise="x")  # type: ignore[call-arg]


class Answers(EventsTest):
    def setUp(self) -> None:
        super().setUp()
        for time, kind, service in (
            ("16T10:00", "service_unhealthy", "mosquitto"),
            ("16T10:01", "remediation_started", "mosquitto"),
            ("16T10:02", "service_recovered", "mosquitto"),
            ("17T10:00", "service_unhealthy", "grafana"),
        ):
            emit_event(
                kind,
                node="pi4",
                service=service,
                timestamp=f"2026-05-{time}:00Z",
                payload={"action": "restart"},
            )

    def test_events_are_counted_by_fields_and_periods(self) -> None:
        report = count_events()
        self.assertEqual((report["events"], report["by"]), (4, []))
        groups = count_events("service")["groups"]
        self.assertEqual([(g["values"], g["events"]) for g in groups], [(["mosquitto"], 3), (["grafana"], 1)])
        groups = count_events(by=["service", "type"], per="day", top=1)["groups"]
        self.assertEqual(
            [(g["period"], g["values"]) for g in groups],
            [("2026-05-16", ["mosquitto", "remediation_started"]), ("2026-05-17", ["grafana", "service_unhealthy"])],
        )
        day = datetime.date(2026, 5, 17)
        self.assertEqual(count_events("payload.action", date=day)["groups"][0]["values"], ["restart"])
        self.assertEqual(count_events(service=["grafana", "nas"], grep="restart")["events"], 1)
        nothing = count_events("service", service="graphana")
        self.assertEqual((nothing["events"], nothing["groups"]), (0, []))
        with self.assertRaisesRegex(EventsError, "not a field to count by") as caught:
            count_events("servise")
        self.assertEqual(caught.exception.returncode, 2)

    def test_a_fields_values_are_known(self) -> None:
        wanted = [KnownValue("mosquitto", 3, "2026-05-16"), KnownValue("grafana", 1, "2026-05-17")]
        self.assertEqual(values("service"), wanted)
        self.assertEqual(values("service", top=1), wanted[:1])
        self.assertEqual(values("service", since="2026-05-17"), wanted[1:])
        self.assertEqual([known.value for known in values("payload.no")], [None])
        self.assertEqual(values("node", service="nas"), [])
        with self.assertRaises(EventsError):
            values("--no-such")

    def test_attempts_say_whether_they_helped(self) -> None:
        report = attempts(service="mosquitto", since=datetime.date(2026, 5, 1))
        self.assertEqual([a["outcome"] for a in report["attempts"]], ["helped"])
        self.assertEqual((report["by_action"][0]["action"], report["by_action"][0]["helped"]), ("restart", 1))
        self.assertEqual(attempts(within="10s", action=["restart"])["unresolved"], 1)
        self.assertEqual(attempts(unresolved=True)["attempts"], [])
        self.assertEqual(attempts(limit=0, reverse=True)["started"], 1)
        self.assertEqual(attempts(node="nas", source="x", correlation_id="y")["started"], 0)
        with self.assertRaises(EventsError):
            attempts(within="soon")

    def test_outages_say_from_when_to_when(self) -> None:
        report = outages()
        self.assertEqual([(o["service"], o["open"]) for o in report["outages"]], [("grafana", True), ("mosquitto", False)])
        closed = outages(service="mosquitto", until="2026-05-18")["outages"][0]
        self.assertEqual((closed["from"], closed["seconds"]), ("2026-05-16T10:00:00.000000Z", 120))
        self.assertEqual(len(outages(only_open=True, min_gap="1m", node="pi4")["services"]), 1)
        self.assertEqual(outages(node="nas")["outages"], [])
        with self.assertRaises(EventsError):
            outages(min_gap="soon")

    def test_the_status_names_what_is_bad(self) -> None:
        report = status(since="2026-05-01")
        self.assertTrue(report["attention"])
        self.assertEqual([(p["service"], p["type"]) for p in report["problems"]], [("grafana", "service_unhealthy")])
        emit_event("service_recovered", node="pi4", service="grafana")
        self.assertEqual(status()["problems"], [])

    def test_what_could_not_be_read_is_raised_by_every_answer(self) -> None:
        calls = (count_events, lambda: values("node"), attempts, outages, status)
        self.stand_in("echo 'hlarchive: warning: a.tar.zst: frame 3 is damaged' >&2; echo '{}'; exit 74")
        for call in calls:
            with self.assertRaisesRegex(EventsError, "frame 3 is damaged") as caught:
                call()
            self.assertEqual(caught.exception.returncode, 74)
        self.stand_in("echo 'hlarchive: warning: x: is not an event' >&2; echo '{\"groups\":[]}'; exit 1")
        for call in calls:
            with self.assertWarnsRegex(EventsWarning, "x: is not an event") as warned:
                call()
            wanted = __file__ if call in (count_events, attempts, outages, status) else warned.filename
            self.assertEqual(warned.filename, wanted)

    def test_other_places_can_be_named(self) -> None:
        root = self.scratch / "other events"
        emit_event("node_online", node="nas", root=root)
        self.assertEqual(count_events(root=root)["events"], 1)
        self.assertEqual([known.value for known in values("node", root=root)], ["nas"])
        for call in (count_events, attempts, outages, status):
            call(root=root)
            with self.assertRaisesRegex(EventsError, "neither an event tree") as caught:
                call(root=self.scratch / "none")
            self.assertEqual(caught.exception.returncode, 66)


class Command(EventsTest):
    def test_it_can_be_imported_by_itself_from_its_own_directory(self) -> None:
        script = "import events; events.emit_event('node_online'); print(events.count_events()['events'])"
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PYTHONPATH"] = str(REPOSITORY / "scripts" / "lib")
        told = subprocess.run(
            [sys.executable, "-c", script], cwd=self.scratch, env=environment, stdout=subprocess.PIPE, check=True
        )
        self.assertEqual(told.stdout, b"1\n")

    def test_a_missing_command_is_told(self) -> None:
        os.environ["HLARCHIVE_BIN"] = str(self.scratch / "nothing-here")
        for call in (lambda: emit_event("x"), lambda: list(list_events()), lambda: trace_events("x")):
            with self.assertRaisesRegex(EventsError, "nothing-here") as caught:
                call()
            self.assertEqual(caught.exception.returncode, 127)

    def test_the_command_is_found_in_the_path(self) -> None:
        directory = self.scratch / "bin"
        directory.mkdir()
        (directory / "hlarchive").symlink_to(os.environ.pop("HLARCHIVE_BIN"))
        os.environ["PATH"] = f"{directory}:{os.environ['PATH']}"
        self.assertTrue(os.path.isfile(emit_event("node_online").path))

    def test_the_command_is_found_where_cargo_installs_it(self) -> None:
        if any(os.path.exists(f"{folder}/hlarchive") for folder in ("/usr/local/bin", "/usr/bin")):
            self.skipTest("this machine has one installed, which would be found")
        directory = self.scratch / "home" / ".cargo" / "bin"
        directory.mkdir(parents=True)
        (directory / "hlarchive").symlink_to(os.environ.pop("HLARCHIVE_BIN"))
        os.environ.update(PATH="/usr/bin:/bin", HOME=str(self.scratch / "home"))
        self.assertTrue(os.path.isfile(emit_event("node_online").path))

    def test_errors_survive_pickling(self) -> None:
        error = pickle.loads(pickle.dumps(EventsError("no", 65)))
        self.assertEqual((str(error), error.returncode), ("no", 65))


if __name__ == "__main__":
    unittest.main()
