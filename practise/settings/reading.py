"""Read a params file: YAML that says no key twice, every value checked before anything runs."""

from pathlib import Path
from typing import Any

import yaml

from practise.errors import ParamsError
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
        text = path.read_text(encoding="utf-8")
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
    """YAML that refuses a key said twice, as DVC does."""

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
