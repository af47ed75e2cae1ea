"""The pinned requirements are complete and say nothing of where packages come from."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from practise.version import __version__

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"([a-z0-9.-]+)==(\S+)(?: ; (.+))?")


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    rest = [line for line in lines if line and not line.startswith(("#", "-r "))]
    found = [PIN.fullmatch(line) for line in rest]
    assert all(found), [line for line, match in zip(rest, found, strict=True) if not match]
    return {match[1]: match[2] for match in found if match}


def wanted(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {re.split(r"[<>=]", requirement)[0] for requirements in lists for requirement in requirements}


def test_every_dependency_is_pinned() -> None:
    assert wanted() <= set(pins("requirements.txt"))
    assert wanted("dev") <= set(pins("requirements.txt")) | set(pins("requirements-dev.txt"))


def test_no_package_is_pinned_twice() -> None:
    assert not set(pins("requirements.txt")) & set(pins("requirements-dev.txt"))


@pytest.mark.parametrize("package", sorted(wanted()))
def test_what_is_installed_is_what_is_pinned(package: str) -> None:
    assert version(package) == pins("requirements.txt")[package]


def test_conda_installs_the_same_packages() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert {"pip": ["-r requirements.txt", "-e ."]} in dependencies


def test_an_old_python_is_refused_in_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.10 || exit 1\n')
    old.chmod(0o755)
    done = subprocess.run([ROOT / "tools/install", tmp_path / "venv", old], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"practise: {old} is Python 3.8.10, should be Python 3.11, 3.12 or 3.13: make PYTHON=python3.12\n"
    )
    assert not (tmp_path / "venv").exists()


def test_every_file_names_the_same_versions_of_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    versions = [word.rpartition(" ")[2] for word in project["classifiers"] if ":: Python :: 3." in word]
    assert versions == ["3.11", "3.12", "3.13"]
    said = f"{', '.join(versions[:-1])} or {versions[-1]}"
    assert f"Python {said}" in (ROOT / "README.md").read_text()
    assert f"Python {said}" in (ROOT / "tools/install").read_text()
    assert f"python {project['requires-python']}" in (ROOT / "environment.yml").read_text()


def test_the_citation_names_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == __version__
