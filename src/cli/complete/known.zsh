
# Values of the history, where they belong; everything else is for the function above. zsh quotes
# what it inserts.
_hlarchive() {
    local told line
    local -a before values shown
    before=("${(@Q)words[1,CURRENT-1]}")
    if ! told=$(command hlarchive __complete zsh "${(@)before}" "${(Q)PREFIX}" 2>/dev/null </dev/null); then
        _hlarchive_static "$@"
        return
    fi
    [[ -n $told ]] || return 1
    for line in "${(@f)told}"; do
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    [[ $PREFIX == --*=* ]] && compset -P 1 '*='
    compadd -d shown -a values
}

if [ "$funcstack[1]" = "_hlarchive" ]; then
    _hlarchive "$@"
else
    compdef _hlarchive hlarchive
fi
