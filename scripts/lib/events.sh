# shellcheck shell=bash
#
# Events from bash: source this file, then
#
#     emit_event TYPE [SEVERITY [SOURCE [SERVICE [CORRELATION_ID [PAYLOAD]]]]]
#     list_events [DATE] [FLAG...]
#     trace_events CORRELATION_ID [FLAG...]
#     count_events [FIELD[,FIELD...]] [FLAG...]
#     list_values FIELD [FLAG...]
#
# The hlarchive command does all the work; this file writes nothing itself. The functions
# return its exit code, so under "set -e" a script stops if an event could not be kept.
# Write "emit_event ... || true" where the script matters more.
#
# The command is, in this order: $HLARCHIVE_BIN, the hlarchive of the PATH, the one in
# /usr/local/bin, /usr/bin, ~/.cargo/bin or ~/.local/bin (cron's PATH lacks most of them), the
# one built in the repository that this file belongs to. Without any: exit code 127.
# HLARCHIVE_ROOT, HLARCHIVE_ARCHIVE and HLARCHIVE_POLICY work as for the command.
#
# Needs bash 3.2 or later. Safe under "set -euo pipefail".

if [ -z "${BASH_VERSION:-}" ]; then
    echo "events.sh: this library needs bash" >&2
    # shellcheck disable=SC2317  # "exit" is reached if there is nothing to return to
    return 1 2>/dev/null || exit 1
fi

# Where this file is, made absolute without a fork, since the caller may change
# directories later.
case "${BASH_SOURCE[0]}" in
    /*) _hlarchive_lib=${BASH_SOURCE[0]} ;;
    *) _hlarchive_lib=$PWD/${BASH_SOURCE[0]} ;;
esac
_hlarchive_repository=${_hlarchive_lib%/*}/../..
unset _hlarchive_lib

# Finds the command and sets the caller's local variable "hlarchive_bin", to be run with
# "command", which passes over functions of that name. No command substitution, since each
# would cost a fork for each event.
_hlarchive_find() {
    if [[ -n ${HLARCHIVE_BIN:-} ]]; then
        hlarchive_bin=$HLARCHIVE_BIN
        if [[ $hlarchive_bin == */* && -f $hlarchive_bin && -x $hlarchive_bin ]]; then
            return 0
        elif [[ $hlarchive_bin != */* ]] && type -P -- "$hlarchive_bin" >/dev/null; then
            return 0
        fi
        echo "$1: HLARCHIVE_BIN is \"$HLARCHIVE_BIN\", which is no program that can be run" >&2
        return 127
    fi
    hlarchive_bin=hlarchive
    if type -P hlarchive >/dev/null; then
        return 0
    fi
    for hlarchive_bin in /usr/local/bin/hlarchive /usr/bin/hlarchive \
        ${HOME:+"$HOME/.cargo/bin/hlarchive"} ${HOME:+"$HOME/.local/bin/hlarchive"} \
        "$_hlarchive_repository/target/release/hlarchive" \
        "$_hlarchive_repository/target/debug/hlarchive"; do
        if [[ -f $hlarchive_bin && -x $hlarchive_bin ]]; then
            return 0
        fi
    done
    echo "$1: the hlarchive command is missing; install it, build it with" \
        "\"cargo build --release\", or name it in HLARCHIVE_BIN" >&2
    return 127
}

# emit_event TYPE [SEVERITY [SOURCE [SERVICE [CORRELATION_ID [PAYLOAD]]]]]
#
# Writes one event and prints its path; when it returns 0, the event is on the disk.
# What is left out or empty gets its default: info, the script's name, all, the event's
# own id, {}. PAYLOAD is a JSON object.
emit_event() {
    if [[ $# -lt 1 || -z $1 ]]; then
        echo "emit_event: the event's type is missing: emit_event TYPE [SEVERITY [SOURCE" \
            "[SERVICE [CORRELATION_ID [PAYLOAD]]]]]" >&2
        return 2
    fi
    if [[ $# -gt 6 ]]; then
        # Usually a payload without quotes around it, which would be cut silently.
        echo "emit_event: $# arguments, where at most 6 are expected; is the payload quoted?" >&2
        return 2
    fi
    local hlarchive_bin=''
    _hlarchive_find emit_event || return
    local script=${0##*/}
    script=${script#-} # a login shell is "-bash"
    # "--name=value" and "--" keep values that begin with a dash from being read as flags.
    local words
    words=("$hlarchive_bin" emit --output=path "--severity=${2:-info}"
        "--source=${3:-${script:-bash}}" "--service=${4:-all}")
    if [[ -n ${5:-} ]]; then
        words+=("--correlation-id=$5")
    fi
    if [[ -z ${6:-} ]]; then
        # Without "< /dev/null" nothing would be read either; but a loop over a file that
        # emits events must never lose its lines.
        command "${words[@]}" -- "$1" </dev/null
        return
    fi
    # Through a pipe: arguments are visible to every user of the machine and limited in
    # length, and a here-string would store the payload in a temporary file. If the command
    # refuses the event before it has read everything, its own message is enough.
    { printf '%s' "$6" 2>/dev/null || :; } | command "${words[@]}" --payload=- -- "$1"
}

# list_events [DATE] [FLAG...]
#
# Prints the events of a day, one JSON object a line, in the order of their time. DATE is
# a date, "yesterday" or "today", which is the default. Further flags are those of
# "hlarchive list", such as --service=mosquitto, --grep="disk full" or --since=30d.
list_events() {
    local hlarchive_bin=''
    _hlarchive_find list_events || return
    local words
    words=("$hlarchive_bin" list --output=ndjson)
    if [[ $# -gt 0 && $1 != -* ]]; then
        [[ -z $1 ]] || words+=("--date=$1")
        shift
    fi
    # ${1+"$@"}: bash 3.2 takes an empty "$@" for an unset variable under "set -u".
    command "${words[@]}" ${1+"$@"} </dev/null
}

# trace_events CORRELATION_ID [FLAG...]
#
# Prints what happened under a correlation id, over all days, as a timeline; with
# "-o json" as one JSON object. Returns 1 when there is no such event.
trace_events() {
    if [[ $# -lt 1 || -z $1 ]]; then
        echo "trace_events: the correlation id is missing: trace_events CORRELATION_ID" >&2
        return 2
    fi
    local hlarchive_bin=''
    _hlarchive_find trace_events || return
    local correlation_id=$1
    shift
    command "$hlarchive_bin" trace ${1+"$@"} -- "$correlation_id" </dev/null
}

# count_events [FIELD[,FIELD...]] [FLAG...]
#
# Prints numbers of events, of all days or as the flags say: a line for each group, the largest
# first, and one for all of them; with "-o csv" and "-o json" for programs. Further flags are
# those of "hlarchive count", such as --per=day, --since=30d or --grep="disk full". Returns 1
# when there is no such event.
count_events() {
    local hlarchive_bin=''
    _hlarchive_find count_events || return
    local words
    words=("$hlarchive_bin" count)
    if [[ $# -gt 0 && $1 != -* ]]; then
        [[ -z $1 ]] || words+=("--by=$1")
        shift
    fi
    command "${words[@]}" ${1+"$@"} </dev/null
}

# list_values FIELD [FLAG...]
#
# Prints the values that events have in a field (service, node, payload.action), one a line,
# the most frequent first. Flags are those of "hlarchive values". Returns 1 without any.
list_values() {
    if [[ $# -lt 1 || -z $1 ]]; then
        echo "list_values: the field is missing: list_values FIELD [FLAG...]" >&2
        return 2
    fi
    local hlarchive_bin=''
    _hlarchive_find list_values || return
    local field=$1
    shift
    command "$hlarchive_bin" values --output=path ${1+"$@"} -- "$field" </dev/null
}
