"""What bash, zsh and fish are given: thin scripts that ask `amonsup __complete` at every TAB.

Everything that depends on verbs and options stands in complete.py, so it is right for the installed version, not for
the one that printed the script. The scripts only translate between a shell's own ideas and this:

    amonsup __complete bash LINE CURRENT      LINE up to the cursor; CURRENT is what bash thinks is being completed
    amonsup __complete zsh|fish WORD... CURRENT

Answered are lines `CANDIDATE` (bash) or `CANDIDATE<tab>DESCRIPTION`; before them may stand `:files` (complete names of
files instead) or `:nospace` (a candidate is the beginning of a word).
"""

from __future__ import annotations

_BASH = r"""# amonsup: completion for bash.  source <(amonsup completion bash)
_amonsup() {
    local program=${COMP_WORDS[0]/#\~\//$HOME/} current=$2
    mapfile -t COMPREPLY < <("$program" __complete bash "${COMP_LINE:0:COMP_POINT}" "$current" 2>/dev/null)
    case ${COMPREPLY[0]-} in
    :files)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    :nospace)
        compopt -o nospace 2>/dev/null
        COMPREPLY=("${COMPREPLY[@]:1}")
        ;;
    esac
}
complete -F _amonsup amonsup
"""

_ZSH = r"""#compdef amonsup
# amonsup: completion for zsh.  source <(amonsup completion zsh), after compinit; or as _amonsup in $fpath
_amonsup() {
    local -a lines found more
    local line
    lines=("${(@f)$(${~words[1]} __complete zsh "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    case $lines[1] in
    :files) _files; return ;;
    :nospace) more=(-S ''); shift lines ;;
    esac
    for line in $lines; do
        found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#found )) && _describe -V amonsup found "${(@)more}"
}
if [[ $funcstack[1] == _amonsup ]]; then
    _amonsup "$@"
else
    compdef _amonsup amonsup
fi
"""

_FISH = r"""# amonsup: completion for fish.  amonsup completion fish > ~/.config/fish/completions/amonsup.fish
function __amonsup_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($before[1] __complete fish $before[2..-1] "$current" 2>/dev/null)
    switch "$lines[1]"
        case ':files'
            __fish_complete_path "$current"
        case ':nospace'
            printf '%s\n' $lines[2..-1]
        case '*'
            printf '%s\n' $lines
    end
end
complete -c amonsup -f -k -a '(__amonsup_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
