"""A client of `hlarchive mcp`: the reference implementation of the protocol, against the real
server.

    client.py HLARCHIVE STEP

Where the events lie comes in by the environment, as for every command. Each step asserts what
it expects and says so; anything else is a traceback and another exit code than 0.
"""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

HLARCHIVE, STEP = sys.argv[1], sys.argv[2]
ALL = {"since": "2000-01-01"}
READING = ["status", "attempts", "outages", "count", "list", "trace", "show", "inspect", "verify"]


@asynccontextmanager
async def server(*flags):
    parameters = StdioServerParameters(
        command=HLARCHIVE, args=["mcp", *flags], env=dict(os.environ)
    )
    async with stdio_client(parameters) as (read, write):
        async with ClientSession(read, write) as session:
            session.told = await session.initialize()
            yield session


def field(result, name):
    """A field by its name in Python, of either generation of the package."""
    if hasattr(result, name):
        return getattr(result, name)
    head, *rest = name.split("_")
    return getattr(result, head + "".join(word.title() for word in rest))


async def ask(session, tool, **arguments):
    """The structured answer, which must say the same as the text."""
    result = await session.call_tool(tool, arguments)
    text = result.content[0].text
    assert not field(result, "is_error"), (tool, arguments, text)
    value = field(result, "structured_content")
    assert json.loads(text) == value, text
    assert len(text) < 80_000, len(text)
    return value


async def refused(session, tool, **arguments):
    """The sentence of a call that must be refused by the tool."""
    result = await session.call_tool(tool, arguments)
    text = result.content[0].text
    assert field(result, "is_error"), (tool, arguments, text)
    assert "\n" not in text and len(text) > 10 and "panicked" not in text, text
    return text


async def pages(session, tool, rows, **arguments):
    """Every row of an answer, page by page, and how many pages there were."""
    found, count, following = [], 0, None
    while True:
        more = {} if following is None else {"next": following}
        answer = await ask(session, tool, **arguments, **more)
        found += answer[rows]
        count += 1
        following = answer["next"]
        assert (following is None) == (answer["left"] is None), answer["left"]
        if following is None:
            return found, count


def cli(*words, codes=(0,)):
    run = subprocess.run([HLARCHIVE, *words], capture_output=True, text=True, check=False)
    assert run.returncode in codes, (words, run)
    return run.stdout


def listed(*words):
    return [json.loads(line) for line in cli("list", *words, "-o", "ndjson").splitlines()]


async def tools():
    async with server() as session:
        info = field(session.told, "server_info")
        assert info.name == "hlarchive"
        assert "data that nobody vouches for" in session.told.instructions
        found = (await session.list_tools()).tools
        assert sorted(tool.name for tool in found) == sorted(READING), found
        for tool in found:
            hints = tool.annotations
            assert field(hints, "read_only_hint") and not field(hints, "open_world_hint")
            schema = field(tool, "input_schema")
            assert schema["additionalProperties"] is False
            for name, member in schema["properties"].items():
                assert member.get("description"), (tool.name, name)
            assert len(tool.description) > 80, tool.description
        lists = {tool.name: field(tool, "input_schema") for tool in found}
        assert "critical" in json.dumps(lists["list"])
        assert "before you remediate" in found[1].description


async def answers():
    """What each tool says is what its command prints."""
    async with server() as session:
        cli("verify")
        status = await ask(session, "status")
        printed = json.loads(cli("status", "-o", "json", codes=(0, 1)))
        assert status["last_runs"]["verify"]["exit_code"] == 0
        for day in [*status["next_rotate"], *printed["next_rotate"]]:
            del day["free_bytes"]  # what is free changes all the time
        for name in printed.keys() - {"time", "since"}:
            assert status[name] == printed[name], name
        assert status["complete"]

        tried = await ask(session, "attempts")
        printed = json.loads(cli("attempts", "-o", "json"))
        assert printed["started"] > 0
        for name, value in printed.items():
            whole = name != "attempts" or len(value) <= 3
            assert tried[name] == (value if whole else value[:3]), name
        few, count = await pages(session, "attempts", "attempts", limit=1)
        assert few == printed["attempts"] and count == len(few) > 1
        none = await ask(session, "attempts", service=["nobody"])
        assert none["started"] == 0 and none["attempts"] == []

        down = await ask(session, "outages")
        printed = json.loads(cli("outages", "-o", "json"))
        assert down["outages"] and down["min_gap_seconds"] == printed["min_gap_seconds"]
        for told, wanted in zip(down["outages"], printed["outages"]):
            assert told["from"] == wanted["from"] and told["path"] == wanted["path"]

        chain = tried["attempts"][0]["correlation_id"]
        printed = json.loads(cli("trace", chain, "-o", "json"))
        trace = await ask(session, "trace", correlation_id=chain)
        for name, value in printed.items():
            assert trace[name] == value, name
        steps, count = await pages(session, "trace", "steps", correlation_id=chain, limit=2)
        assert steps == printed["steps"] and count > 1
        part = await ask(session, "trace", correlation_id=chain, limit=1)
        assert part["outcome"] == printed["outcome"] and part["events"] == printed["events"]
        gone = await ask(session, "trace", correlation_id="no-such")
        assert gone["events"] == 0 and gone["outcome"] == "unknown"

        events = listed("--since", "2000-01-01")
        segments = {event.get("_segment") for event in events}
        assert None in segments and len(segments) > 1, "live and archived days"
        for event in (events[0], events[-1]):
            assert await ask(session, "show", event=event["_path"]) == event
            assert (await ask(session, "show", event=event["_path"][-41:-5])) == event

        day = next(event["_path"][:10] for event in events if "_segment" in event)
        printed = json.loads(cli("inspect", day, "-o", "json"))
        inspect = await ask(session, "inspect", date=day)
        assert inspect["segments"] == printed["segments"] and inspect["next"] is None

        for depth, words in [("quick", ["--quick"]), ("full", [])]:
            printed = json.loads(cli("verify", *words, "-o", "json"))
            verify = await ask(session, "verify", depth=depth)
            for name, value in printed.items():
                assert verify[name] == value, name


async def paging():
    """The union of all pages is what list prints, in order, also while days are archived."""
    async with server() as session:
        printed = listed("--since", "2000-01-01")
        assert len(printed) >= 2000, len(printed)
        found, count = await pages(session, "list", "events", **ALL)
        assert found == printed and count >= 20, count
        found, count = await pages(session, "list", "events", **ALL, order="latest_first", limit=500)
        assert found == printed[::-1]
        assert count > len(printed) // 500, "bytes bound a page, too"
        wanted = [event for event in printed if event["node"] == "pi4" and event["severity"] != "info"]
        found, _ = await pages(
            session, "list", "events", **ALL, node=["pi4"], min_severity="warning", limit=37
        )
        assert found == wanted and wanted
        for scope, there in [("live", False), ("archived", True)]:
            found, _ = await pages(session, "list", "events", **ALL, scope=scope, limit=499)
            assert found == [event for event in printed if ("_segment" in event) == there]


async def moving():
    """What is live is archived between two pages: no event comes twice, none is missed."""
    async with server() as session:
        before = [event["_path"] for event in listed("--since", "2000-01-01")]
        answer = await ask(session, "list", **ALL, limit=300)
        found = [event["_path"] for event in answer["events"]]
        cli("rotate", "--now", "2026-06-01T03:00:00Z")
        while answer["next"]:
            answer = await ask(session, "list", **ALL, limit=300, next=answer["next"])
            found += [event["_path"] for event in answer["events"]]
        assert found == before


async def bad():
    """Nothing that a client says ends the server or is a mistake of the protocol."""
    async with server() as session:
        says = lambda text, part: None if part in text else sys.exit(f"{part!r} not in {text!r}")
        says(await refused(session, "list", limit="many"), "limit: invalid type")
        says(await refused(session, "list", limit=0), "limit: 0 is not possible")
        says(await refused(session, "list", limit=501), "1 to 500")
        says(await refused(session, "list", limit=-1), "limit: ")
        says(await refused(session, "list", nodes=["pi4"]), "unknown field `nodes`")
        says(await refused(session, "list", node="pi4"), "node: invalid type")
        says(await refused(session, "list", severity=["bad"]), "severity: unknown variant `bad`")
        says(await refused(session, "list", since="soon"), "since: \"soon\" is not a time")
        says(await refused(session, "list", since="2026-05-20", until="2026-05-10"), "is not before")
        says(await refused(session, "list", date=["2026-02-30"]), "is not a day")
        says(await refused(session, "trace"), "missing field `correlation_id`")
        says(await refused(session, "show", event="../../etc/passwd"), "expected an event's UUID")
        says(await refused(session, "show", event="2026-05-10/../x.json"), "expected")
        says(
            await refused(session, "show", event="00000000-0000-7000-8000-000000000000"),
            "no such event",
        )
        says(await refused(session, "inspect", date="/etc/passwd"), "is not a day")
        says(await refused(session, "inspect", date="1999-01-01"), "no segment of this day")
        says(await refused(session, "verify", head="xyz"), "64 hexadecimal digits")
        for tool, more in [("list", {}), ("trace", {"correlation_id": "x"}), ("attempts", {}),
                           ("outages", {}),
                           ("status", {}), ("verify", {}), ("inspect", {"date": "2026-05-10"}),
                           ("show", {"event": listed("--since", "2000-01-01")[0]["_path"]})]:
            for following in ["x", "1:2:3", "-1", "99999999999999999999999", "0:../../etc/passwd"]:
                says(await refused(session, tool, **more, next=following), "next: ")
        hostile = ["", "\u001b[2J", "a" * 10_000, "\u0000", "\u202e", "'; rm -rf /", "%s%n", "../.."]
        for text in hostile:
            assert (await ask(session, "trace", correlation_id=text))["events"] == 0
            assert (await ask(session, "list", **ALL, service=[text]))["events"] == []
            await refused(session, "show", event=text)
        for tool in ["no_such_tool", "emit_event", ""]:
            try:
                result = await session.call_tool(tool, {"type": "x"})
                sys.exit(f"{tool}: {result}")
            except Exception as error:  # the package's own class has moved between versions
                says(str(error), "no tool")
        # An argument that is null was left out.
        assert (await ask(session, "list", **ALL, node=None, limit=1))["events"]
        assert (await ask(session, "status"))["complete"] in (True, False)


async def emitting():
    async with server("--allow-emit") as session:
        found = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert sorted(found) == sorted([*READING, "emit_event"])
        hints = found["emit_event"].annotations
        assert not field(hints, "read_only_hint") and not field(hints, "destructive_hint")
        start = {"type": "remediation_started", "severity": "info", "source": "agent-7",
                 "service": "mosquitto", "payload": {"action": "restart", "attempt": 1}}
        written = await ask(session, "emit_event", **start)
        with open(written["path"], encoding="utf-8") as file:
            event = json.load(file)
        assert event["payload"] == start["payload"]
        assert event["correlation_id"] == written["correlation_id"]
        open_ = await ask(session, "attempts", source=["agent-7"], unresolved=True)
        assert [attempt["completed"] for attempt in open_["attempts"]] == [False]
        end = {**start, "type": "remediation_completed"}
        await ask(session, "emit_event", **end, correlation_id=written["correlation_id"])
        done = await ask(session, "attempts", source=["agent-7"])
        assert [attempt["completed"] for attempt in done["attempts"]] == [True]
        told = await ask(session, "emit_event", **{**start, "type": "remediation_begun"})
        assert "remediation_" in told["warning"]
        for wrong in [{"node": "../x"}, {"type": "a/b"}, {"timestamp": "noon"}, {"payload": [1]},
                      {"severity": "awful"}, {"source": "x" * 300},
                      {"timestamp": "2999-01-01T00:00:00Z"}]:
            await refused(session, "emit_event", **{**start, **wrong})
        events = listed("--source", "agent-7")
        assert len(events) == 3, events
        # A slip in the policy keeps no event from being kept, and is told.
        with open(os.environ["HLARCHIVE_POLICY"], "w", encoding="utf-8") as policy:
            policy.write('version = 1\n[retain]\nkeep = "soon"\n')
        told = await ask(session, "emit_event", **start)
        assert "events are kept by what [events] says" in told["warning"], told


async def empty():
    """An answer without events says what was looked at, and which values no event has."""
    async with server("--allow-emit") as session:
        nothing = await ask(session, "list", service=["mosquito"], **ALL)
        assert nothing["events"] == [] and nothing["only_today"] is False, nothing
        assert nothing["searched"]["unknown"] == [
            {"field": "service", "value": "mosquito", "did_you_mean": "mosquitto"}], nothing
        today = await ask(session, "list")
        assert today["only_today"] is True and today["searched"]["until"], today
        some = await ask(session, "list", **ALL)
        assert some["events"] and "searched" not in some, some
        tried = await ask(session, "attempts", node=["pi44"])
        assert tried["searched"]["unknown"][0]["did_you_mean"] == "pi4", tried
        traced = await ask(session, "trace", correlation_id="nobody-knows-it")
        assert traced["events"] == 0 and traced["searched"]["days_archived"], traced
        written = await ask(session, "emit_event", type="node_offline", source="a", service="all",
                            correlation_id="only-one-begins-so")
        with open(written["path"], encoding="utf-8") as file:
            assert json.load(file)["severity"] == "error"
        traced = await ask(session, "trace", correlation_id="only-one")
        assert traced["correlation_id"] == "only-one-begins-so" and traced["events"] == 1, traced
        await refused(session, "trace", correlation_id="run-")
        shown = await ask(session, "show", event=written["id"][:13])
        assert shown["correlation_id"] == "only-one-begins-so", shown
        proved = await ask(session, "verify", depth="sample")
        assert proved["depth"] == {"kind": "sample", "percent": 5.0, "archive": True, "live": True}
        assert proved["witness"] == "none" and "no checksum until" in proved["proves"], proved
        await refused(session, "verify", head="0" * 64)


async def damaged():
    """A file that cannot be read costs itself, and the answer says so."""
    async with server() as session:
        answer = await ask(session, "list", **ALL)
        assert answer["events"] and not answer["complete"], answer
        assert any("2026-05-10.tar.zst" in warning for warning in answer["warnings"]), answer
        assert not (await ask(session, "status", since="2026-05-01"))["complete"]
        assert (await ask(session, "verify", depth="full"))["findings"]


async def large():
    """Events of any size come whole, and no answer is larger than a page."""
    path, size = os.environ["LARGE"], int(os.environ["LARGE_BYTES"])
    async with server() as session:
        answer = await ask(session, "list", date=[path[:10]])
        stand_in = next(event for event in answer["events"] if event["_path"] == path)
        assert stand_in["_bytes"] == size and "show" in stand_in["_left_out"]
        text, following = "", None
        while True:
            more = {} if following is None else {"next": following}
            part = await ask(session, "show", event=path, **more)
            assert part["_is_utf8"] and part["_offset"] == len(text.encode())
            text += part["_text"]
            following = part["next"]
            if following is None:
                break
        assert len(text.encode()) == size
        assert json.loads(text)["payload"]["text"] == "é" * 100_000
        # Numbers that no double holds come digit by digit.
        other = await session.call_tool("show", {"event": os.environ["NUMBER"]})
        assert "12345678901234567890123" in other.content[0].text


async def cancelling():
    """A call that is given up ends; the server answers the next one."""
    async with server() as session:
        try:
            await asyncio.wait_for(session.call_tool("verify", {"depth": "full"}), 0.001)
        except (asyncio.TimeoutError, TimeoutError):
            pass
        answer = await ask(session, "list", **ALL, limit=1)
        assert len(answer["events"]) == 1


asyncio.run(globals()[STEP]())
