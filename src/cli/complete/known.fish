
# Values of the history, a line each; fish quotes what it inserts.
function __fish_hlarchive_known
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    command hlarchive __complete fish $before "$current" 2>/dev/null </dev/null
end

