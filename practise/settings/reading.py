"""Read a params file: YAML that says no key twice, every value checked before anything runs.

Plain words mean what they mean in YAML 1.2, as DVC reads and writes them: `2e-05` is a number, `off` is text.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from practise.errors import ParamsError
from practise.files import decode_text
from practise.settings.params import Params
from practise.settings.problems import check_values


def load_params(path: str | Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: The file is missing or not YAML, or one line for each problem that it has.
    """
    return check_values(read_yaml(Path(path)), str(path))


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds.

    Raises:
        ParamsError: The file is missing or unreadable, is not YAML, or says a key twice.
    """
    try:
        text = decode_text(path.read_bytes())
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: no such file, should be a params file such as params.yaml") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: is not text in UTF-8") from error
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ParamsError(f"{path}: is not YAML at {where}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if values is None:
        raise ParamsError(f"{path}: is empty, should hold the sections {', '.join(Params.model_fields)}")
    return values


class _Loader(yaml.SafeLoader):
    """YAML 1.2 that refuses a key said twice, as DVC does."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' is there twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Whole numbers begin with 0o or 0x where they are not decimal; 010 is ten."""
        return int(node.value, 0 if node.value[:2] in ("0o", "0x") else 10)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
RESOLVERS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", [*"-+."]),
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("merge", r"<<", ["<"]),
)
"""Which plain words are more than text, by their first letter: YAML 1.2's core schema, and merges."""
for tag, pattern, first in RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)
