#!/usr/bin/env bash
#
# Tests of scripts/lib/events.sh against a real hlarchive, in temporary directories.
#
#     HLARCHIVE_BIN=target/release/hlarchive tests/scripts_shell.sh
#
# Each function test_… runs in a shell of its own with "set -euo pipefail"; its name says
# what must hold. What it prints is shown when it fails.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
repository=$PWD
if [[ -z ${HLARCHIVE_BIN:-} ]]; then
    echo "scripts_shell.sh: name the command to test in HLARCHIVE_BIN" >&2
    exit 2
fi
case $HLARCHIVE_BIN in
    */*) HLARCHIVE_BIN=$(cd "$(dirname "$HLARCHIVE_BIN")" && pwd)/${HLARCHIVE_BIN##*/} ;;
esac
export HLARCHIVE_BIN
unset HLARCHIVE_ARCHIVE HLARCHIVE_POLICY
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    printf 'expected: %s\n' "$@"
    exit 1
}

# same WHAT ACTUAL EXPECTED
same() {
    [[ $2 == "$3" ]] || fail "$1" "$3" "but it is: $2"
}

# has WHAT TEXT PART
has() {
    [[ $2 == *"$3"* ]] || fail "$1 to hold: $3" "but it is: $2"
}

# code COMMAND…: the exit code of a command that may fail, in $status.
code() {
    status=0
    "$@" || status=$?
}

# What was emitted, and where, as the one line of its file.
line_of() {
    local file
    file=$(tail -n 1 <<<"$1")
    [[ -f $file ]] || fail "a file at $file"
    cat "$file"
}

test_the_documented_call_writes_an_event_and_prints_its_path() {
    path=$(emit_event "deployment_started" "info" "my-script.sh" "mosquitto" "unique-cid" '{"version": "1.0"}')
    [[ $path == "$HLARCHIVE_ROOT"/????-??-??/*/*_deployment_started_*.json ]] || fail "an event's path, not $path"
    event=$(line_of "$path")
    for field in '"type":"deployment_started"' '"severity":"info"' '"source":"my-script.sh"' \
        '"service":"mosquitto"' '"correlation_id":"unique-cid"' '"payload":{"version":"1.0"}}'; do
        has "the event" "$event" "$field"
    done
}

test_what_is_left_out_or_empty_gets_its_default() {
    cat >"$PWD/backup.sh" <<'SCRIPT'
set -euo pipefail
. "$1"
emit_event node_online
emit_event node_online "" "" "" "" ""
SCRIPT
    bash "$PWD/backup.sh" "$repository/scripts/lib/events.sh" >paths
    while read -r path; do
        event=$(line_of "$path")
        id=${path%.json}
        id=${id##*_}
        for field in '"severity":"info"' '"source":"backup.sh"' '"service":"all"' '"payload":{}}' \
            "\"correlation_id\":\"$id\""; do
            has "the event" "$event" "$field"
        done
    done <paths
    same "the number of events" "$(wc -l <paths | tr -d ' ')" 2
}

test_hostile_payloads_arrive_as_they_are() {
    # shellcheck disable=SC2016  # nothing here may be expanded
    for payload in \
        '{"a":"$(touch pwned) `touch pwned` ${HOME} $0"}' \
        '{"a":"it'"'"'s; \"quoted\" \\ & | > x < y * ? [z] ~ #"}' \
        '{"a":"line\nbreak\ttab\u0000nul"}' \
        '{"a":"grüße 🏠 日本語 مرحبا"}' \
        '{"a":"%s%n%d \\x41 -n -e"}' \
        '{"-":"--severity=critical"}'; do
        event=$(line_of "$(emit_event deployment_started info s all c "$payload")")
        has "the event" "$event" "\"payload\":$payload}"
    done
    [[ ! -e pwned ]] || fail "that nothing was executed"
    # White space between tokens, line breaks included, is not part of the data.
    event=$(line_of "$(emit_event deployment_started info s all c $'{\n  "a" : [ 1 ,\n 2.50 ]\n}\n')")
    has "the event" "$event" '"payload":{"a":[1,2.50]}}'
}

test_a_payload_may_be_longer_than_an_argument() {
    x=$(head -c 200000 /dev/zero | tr '\0' x)
    event=$(line_of "$(emit_event deployment_started info s all c "{\"log\":\"$x\"}")")
    [[ $event == *"\"payload\":{\"log\":\"$x\"}}" ]] || fail "all 200,000 letters of the log"
}

test_the_payload_is_in_no_argument() {
    cat >spy <<'SPY'
#!/bin/sh
printf '%s\n' "$@" >>arguments
cat >stdin
SPY
    chmod +x spy
    HLARCHIVE_BIN=./spy emit_event deployment_started info s all c '{"password":"hunter2"}'
    same "the payload" "$(cat stdin)" '{"password":"hunter2"}'
    if grep -q hunter2 arguments; then fail "no payload in the arguments"; fi
}

test_values_may_begin_with_a_dash() {
    event=$(line_of "$(emit_event deployment_started info --source -v -cid '{"a":"-"}')")
    has "the event" "$event" '"source":"--source","service":"-v","correlation_id":"-cid"'
    emit_event deployment_started info s all --output '{}' >/dev/null
    has "the timeline" "$(trace_events --output)" deployment_started
    code emit_event --help info s all c '{}' >/dev/null 2>&1
    [[ $status -ne 0 ]] || fail "a type that begins with a dash to be refused"
}

test_values_of_any_kind_arrive_as_they_are() {
    # shellcheck disable=SC2016
    event=$(line_of "$(emit_event deployment_started info 'my script.sh' 'a*b' '$(id) "x" grüße')")
    # shellcheck disable=SC2016
    has "the event" "$event" '"source":"my script.sh","service":"a*b","correlation_id":"$(id) \"x\" grüße"'
}

test_bad_events_are_refused_with_the_exit_code_of_the_command() {
    code emit_event deployment_started fatal s all c '{}' 2>message
    [[ $status -eq 65 || $status -eq 2 ]] || fail "exit code 65 or 2 for a wrong severity, not $status"
    has "the message" "$(cat message)" severity
    for payload in '[1]' '{"a":' 'version=1' '"x"' null; do
        code emit_event deployment_started info s all c "$payload" 2>message
        same "the exit code for the payload $payload" "$status" 65
        has "the message" "$(cat message)" payload
    done
    if find "$HLARCHIVE_ROOT" -name '*.json' 2>/dev/null | grep .; then fail "no event"; fi
}

test_set_e_stops_the_caller_when_an_event_is_lost() {
    cat >caller.sh <<'SCRIPT'
set -euo pipefail
. "$1"
emit_event deployment_started fatal s all c '{"a":1}' 2>/dev/null
echo "not reached"
SCRIPT
    code bash caller.sh "$repository/scripts/lib/events.sh" >out
    [[ $status -ne 0 ]] || fail "the caller to stop"
    same "the output" "$(cat out)" ""
}

test_a_refusal_is_seen_without_pipefail() {
    set +e +u +o pipefail
    emit_event deployment_started fatal s all c '{"a":1}' 2>/dev/null
    status=$?
    [[ $status -eq 65 || $status -eq 2 ]] || fail "exit code 65 or 2, not $status"
}

test_a_large_refused_payload_does_not_end_in_a_broken_pipe() {
    x=$(head -c 3000000 /dev/zero | tr '\0' x)
    code emit_event deployment_started info s all c "{\"log\":\"$x\"}" 2>message
    same "the exit code" "$status" 65
    if grep -qi "broken pipe" message; then fail "no word of a broken pipe"; fi
}

test_a_wrong_number_of_arguments_is_told() {
    code emit_event 2>message
    same "the exit code without arguments" "$status" 2
    has "the message" "$(cat message)" "type is missing"
    # shellcheck disable=SC2089,SC2090,SC2086  # the mistake that is to be noticed
    payload='{"a": "b c"}' && code emit_event deployment_started info s all c $payload 2>message
    same "the exit code of an unquoted payload" "$status" 2
    has "the message" "$(cat message)" "quoted"
    code trace_events 2>message
    same "the exit code of a trace of nothing" "$status" 2
}

test_listing_gives_one_json_object_a_line() {
    first=$(emit_event deployment_started info a.sh mosquitto c1 '{"n":"one\ntwo"}')
    emit_event deployment_completed info b.sh grafana c1 >/dev/null
    list_events >lines
    same "the number of lines" "$(wc -l <lines | tr -d ' ')" 2
    has "the first line" "$(head -n 1 lines)" '"type":"deployment_started"'
    has "the first line" "$(head -n 1 lines)" "\"_path\":\"${first#"$HLARCHIVE_ROOT"/}\""
    day=${first#"$HLARCHIVE_ROOT"/}
    day=${day%%/*}
    same "the day, by name" "$(list_events "$day")" "$(cat lines)"
    same "an empty day" "$(list_events "")" "$(cat lines)"
    same "a day without events" "$(list_events 2001-02-03)" ""
    same "a filtered day" "$(list_events "$day" --service=grafana)" "$(tail -n 1 lines)"
    same "filtered today" "$(list_events --type=deployment_completed)" "$(tail -n 1 lines)"
}

test_a_wrong_day_is_a_usage_error() {
    emit_event node_online info s all run-1 >/dev/null
    code list_events 2026-02-30 2>message
    same "the exit code" "$status" 2
    has "the message" "$(cat message)" 2026-02-30
}

test_a_trace_tells_the_chain_and_nothing_else() {
    emit_event deployment_started info s mosquitto run-1 >/dev/null
    emit_event deployment_failed error s mosquitto run-1 '{"error":"no route"}' >/dev/null
    emit_event deployment_started info s grafana run-2 >/dev/null
    trace_events run-1 >timeline
    has "the timeline" "$(cat timeline)" deployment_started
    has "the timeline" "$(cat timeline)" deployment_failed
    if grep -q grafana timeline; then fail "no other run"; fi
    has "the JSON" "$(trace_events run-1 -o json)" '"correlation_id"'
    code trace_events no-such-run >timeline 2>/dev/null
    same "the exit code of an unknown id" "$status" 1
}

test_events_can_be_searched_by_text_and_value() {
    emit_event deployment_failed error s mosquitto run-1 '{"error":"disk full","attempt":3}' >/dev/null
    emit_event deployment_failed error s grafana run-2 '{"error":"no route","attempt":1}' >/dev/null
    has "the event" "$(list_events --grep="disk full")" '"service":"mosquitto"'
    same "the number of lines" "$(list_events --grep="full" | wc -l | tr -d ' ')" 1
    has "the event" "$(list_events "" --where='payload.attempt<3')" '"service":"grafana"'
    code list_events --grep='(' 2>message
    same "the exit code of a wrong pattern" "$status" 2
}

test_events_are_counted() {
    emit_event deployment_failed error s mosquitto run-1 '{"error":"disk full"}' >/dev/null
    emit_event deployment_started info s mosquitto run-1 >/dev/null
    emit_event deployment_started info s grafana run-2 >/dev/null
    same "the number of all" "$(count_events)" "3 events"
    count_events service >lines
    same "the largest group" "$(sed -n 2p lines)" "mosquitto       2"
    same "the last line" "$(tail -n 1 lines)" "3 events"
    has "two fields" "$(count_events service,type --top=1 -o csv)" "grafana,deployment_started,1,"
    same "what was found" "$(count_events "" --grep="disk full")" "1 event"
    has "the JSON" "$(count_events service -o json)" '"groups"'
    code count_events service --service=nas >lines 2>/dev/null
    same "the exit code without a match" "$status" 1
    code count_events servise 2>message
    same "the exit code of a wrong field" "$status" 2
    has "the message" "$(cat message)" servise
}

test_values_are_listed_one_a_line() {
    emit_event deployment_started info s 'my service' run-1 '{"stage":"pull"}' >/dev/null
    emit_event deployment_started info s 'my service' run-1 >/dev/null
    emit_event deployment_started info s grafana run-2 >/dev/null
    same "the services" "$(list_values service)" "my service
grafana"
    same "the services of a search" "$(list_values service --where=payload.stage=pull)" "my service"
    code list_values service --type=node_online 2>/dev/null
    same "the exit code without a value" "$status" 1
    code list_values 2>message
    same "the exit code without a field" "$status" 2
    has "the message" "$(cat message)" "field is missing"
}

test_a_loop_that_emits_keeps_its_standard_input() {
    printf 'one\ntwo\nthree\n' | while read -r service; do
        emit_event node_online info s "$service" >/dev/null
        emit_event node_online info s "$service" c '{}' >/dev/null
        list_events >/dev/null
        trace_events c >/dev/null
        count_events >/dev/null
        list_values node >/dev/null
        echo "$service"
    done >seen
    same "the lines seen" "$(tr '\n' ' ' <seen)" "one two three "
}

test_a_missing_command_is_told_with_exit_code_127() {
    for bin in "$PWD/nothing-here" no-such-hlarchive "$PWD"; do
        for call in "emit_event node_online" list_events "trace_events x" count_events "list_values node"; do
            # shellcheck disable=SC2086
            HLARCHIVE_BIN=$bin code $call 2>message
            same "the exit code of $call" "$status" 127
            has "the message" "$(cat message)" "HLARCHIVE_BIN"
        done
    done
}

test_the_command_is_found_in_the_path_and_in_the_repository() {
    mkdir -p path elsewhere/scripts/lib elsewhere/target/release
    ln -s "$HLARCHIVE_BIN" path/hlarchive
    cp "$repository/scripts/lib/events.sh" elsewhere/scripts/lib/
    found() { env -u HLARCHIVE_BIN PATH="$1" "$BASH" -euo pipefail -c \
        '. elsewhere/scripts/lib/events.sh && cd / && emit_event node_online'; }
    code found /nowhere 2>message
    same "the exit code without a command" "$status" 127
    has "the message" "$(cat message)" "missing"
    # The rest of the PATH is for the interpreter of a command that is a script.
    line_of "$(found "$PWD/path:/usr/bin:/bin")" >/dev/null
    ln -s "$HLARCHIVE_BIN" elsewhere/target/release/hlarchive
    if ! PATH=/usr/bin:/bin type -P hlarchive >/dev/null; then
        line_of "$(found /usr/bin:/bin)" >/dev/null
    fi
}

test_the_command_is_found_where_it_is_installed_though_the_path_of_cron_lacks_it() {
    local bin place
    for bin in /usr/local/bin /usr/bin; do
        [[ ! -e $bin/hlarchive ]] || return 0 # that one would be found
    done
    mkdir -p elsewhere/scripts/lib
    cp "$repository/scripts/lib/events.sh" elsewhere/scripts/lib/
    for place in .cargo/bin .local/bin; do
        mkdir -p "home/$place"
        ln -s "$HLARCHIVE_BIN" "home/$place/hlarchive"
        line_of "$(env -u HLARCHIVE_BIN PATH=/usr/bin:/bin HOME="$PWD/home" "$BASH" -euo pipefail -c \
            '. elsewhere/scripts/lib/events.sh && emit_event node_online')" >/dev/null
        rm "home/$place/hlarchive"
    done
    code env -u HLARCHIVE_BIN -u HOME PATH=/usr/bin:/bin "$BASH" -euo pipefail -c \
        '. elsewhere/scripts/lib/events.sh && emit_event node_online' 2>message
    same "the exit code without a command and a home" "$status" 127
}

test_functions_and_settings_of_the_caller_do_not_disturb() {
    # shellcheck disable=SC2329,SC2317  # called by nobody is what is tested
    hlarchive() { fail "the command, not a function of its name"; }
    export PATH=$PWD:$PATH
    ln -s "$HLARCHIVE_BIN" hlarchive
    shopt -s nullglob
    set -f
    IFS=/-_
    touch severity
    path=$(HLARCHIVE_BIN='' emit_event deployment_started info 'a b' '*' 'c/d-e_f' '{"a":"b/c"}')
    unset IFS
    has "the event" "$(line_of "$path")" '"source":"a b","service":"*","correlation_id":"c/d-e_f","payload":{"a":"b/c"}}'
}

test_sourcing_prints_and_writes_nothing() {
    mkdir empty
    # shellcheck source=/dev/null
    same "the output" "$(cd empty && . "$repository/scripts/lib/events.sh" 2>&1)" ""
    same "the directory" "$(ls -A empty)" ""
    [[ ! -e $HLARCHIVE_ROOT ]] || fail "no event tree"
}

failed=0
count=0
for test in $(compgen -A function test_); do
    count=$((count + 1))
    mkdir "$scratch/$test"
    # Not as part of a condition, where "set -e" would not hold.
    set +e
    (
        set -euo pipefail
        cd "$scratch/$test"
        export HLARCHIVE_ROOT=$PWD/events
        # shellcheck source=/dev/null
        . "$repository/scripts/lib/events.sh"
        "$test"
    ) >"$scratch/output" 2>&1
    result=$?
    set -e
    if [[ $result -eq 0 ]]; then
        echo "ok      $test"
    else
        failed=$((failed + 1))
        echo "FAILED  $test (exit code $result)"
        sed 's/^/        /' "$scratch/output"
    fi
done
echo "$count tests, $failed failed"
[[ $failed -eq 0 ]]
