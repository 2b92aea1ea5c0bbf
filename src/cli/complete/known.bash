
# Values of the history, where they belong; everything else is for the function above. The
# command of the PATH is asked, not what the line names: a TAB must not run a file of a directory
# that somebody else writes to.
_hlarchive_known() {
    local told line
    if ! told=$(command hlarchive __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" \
        2>/dev/null </dev/null); then
        _hlarchive "$@"
        return
    fi
    COMPREPLY=()
    while IFS= read -r line; do
        [[ -z $line ]] || COMPREPLY+=("$line")
    done <<<"$told"
    # Without a value there is none: no names of files instead.
    compopt +o default +o bashdefault 2>/dev/null
    return 0
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _hlarchive_known -o nosort -o bashdefault -o default hlarchive
else
    complete -F _hlarchive_known -o bashdefault -o default hlarchive
fi
