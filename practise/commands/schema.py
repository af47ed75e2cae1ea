"""`practise schema`: the JSON schema of the params file, for editors."""

from pathlib import Path

import yaml

from practise.files import write_text
from practise.settings.params import json_schema

SCHEMA_HEADER = "# Made by `practise schema` from practise/settings/params.py.\n"


def schema(*, out: Path) -> None:
    """Write the JSON schema of the params file, for editors.

    Args:
        out: The schema, YAML.
    """
    write_text(out, schema_text())


def schema_text() -> str:
    """Return the JSON schema of the params file as YAML."""
    return SCHEMA_HEADER + yaml.safe_dump(json_schema(), sort_keys=False, allow_unicode=True, width=110)
