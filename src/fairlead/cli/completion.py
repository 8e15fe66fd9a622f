"""Print the completion script of a shell: it completes commands, options, runs and steps.

source <(fairlead completion bash)        in ~/.bashrc
source <(fairlead completion zsh)         in ~/.zshrc, after compinit
fairlead completion fish | source         in ~/.config/fish/config.fish
"""

from __future__ import annotations

import argparse

_BASH = """\
_fairlead() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("$1" _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -o default -o nosort -F _fairlead fairlead 2>/dev/null || complete -o default -F _fairlead fairlead
"""

_ZSH = """\
#compdef fairlead
_fairlead() {
    local -a found
    found=("${(@f)$("${words[1]}" _complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -z "${found[1]}" ]]; then
        _files
    elif [[ ${#found} -eq 1 && "${found[1]}" == */ ]]; then
        compadd -Q -S '' -- "${found[@]}"
    else
        compadd -Q -V fairlead -- "${found[@]}"
    fi
}
compdef _fairlead fairlead
"""

_FISH = """\
function __fairlead_complete
    set -l words (commandline -opc)
    $words[1] _complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c fairlead -k -a '(__fairlead_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("shell", choices=tuple(SCRIPTS), help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(SCRIPTS[arguments.shell], end="")
    return 0
