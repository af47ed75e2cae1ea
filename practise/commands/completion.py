"""`practise completion`: let a shell complete commands and flags."""

from typing import Literal

from cyclopts.completion import ShellDetectionError, detect_shell

from practise.commands.app import build_app
from practise.commands.cli import groups
from practise.errors import UsageError

READ = {
    "bash": "a new bash reads it, by a line in ~/.bashrc",
    "zsh": "a new zsh reads it, by a line in ~/.zshrc, once that calls compinit",
    "fish": "a new fish reads it",
}
"""What becomes of the file in each shell."""


def completion(shell: Literal["bash", "zsh", "fish"] | None = None, /) -> None:
    """Let a shell complete commands and flags.

    They are written to a file for it, which imports every command once; completing then needs no Python. For
    bash and zsh, a line in ~/.bashrc or ~/.zshrc reads the file.

    Args:
        shell: The shell; the one that this runs in when not given.

    Raises:
        UsageError: No shell is given, and this runs in none of these.
    """
    try:
        found = shell or detect_shell()
    except ShellDetectionError:
        found = None
    if found is None or found not in READ:
        raise UsageError(f"completion: this shell is not known, should be given: {', '.join(READ)}")
    known = groups()
    app = build_app(known, {name for commands in known.values() for name in commands})
    print(f"{app.install_completion(shell=found)}: written; {READ[found]}")
