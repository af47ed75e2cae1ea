"""Copies of the project to run engines in, so that no test touches what a person has made here."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from practise.engines.processes import environment, tool

ROOT = Path(__file__).parents[1]
GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.org")


def copy_project(destination: Path) -> Path:
    """Copy the project's own files, nothing that was made, into a git repository of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # a file that git knows may be gone
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, destination / name)
    (destination / "dvc.lock").unlink(missing_ok=True)
    for command in (("init", "-q"), ("add", "--all"), ("commit", "-q", "-m", "The project")):
        subprocess.run([*GIT, *command], cwd=destination, check=True)
    return destination


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in a tree and return what it said, whatever its exit code."""
    return subprocess.run(
        [tool(command[0]), *command[1:]], cwd=tree, env=environment(), capture_output=True, text=True
    )


def run_well(tree: Path, *command: str) -> str:
    """Run a tool in a tree, which must succeed, and return what it said."""
    done = run(tree, *command)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def commit(tree: Path, message: str, *paths: str) -> None:
    """Commit files of a tree."""
    for command in (("add", *paths), ("commit", "-q", "-m", message, "--", *paths)):
        subprocess.run([*GIT, *command], cwd=tree, check=True)


def dry_run(tree: Path, *options: str) -> Sequence[dict[str, str]]:
    """Return the jobs that Snakemake would run: rule, input, output, threads and command of each."""
    said = run_well(tree, "snakemake", "--dry-run", "--forceall", "--printshellcmds", *options)
    jobs: list[dict[str, str]] = []
    for line in said.splitlines():
        if line.startswith(("rule ", "localrule ")):
            jobs.append({"rule": line.split()[1].rstrip(":")})
        elif line.startswith("Shell command: "):
            jobs[-1]["command"] = line.removeprefix("Shell command: ")
        elif line.startswith("    ") and jobs:
            key, _, value = line.strip().partition(": ")
            jobs[-1].setdefault(key, value)
    return [job for job in jobs if job.get("command", "None") != "None"]
