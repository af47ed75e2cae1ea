"""What is wrong with a params file, all of it at once, one sentence a problem.

`params.yaml: device.name: unknown device 'gpu' (known: auto, cpu, cuda). Did you mean 'cuda'?`
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from practise.errors import ParamsError, guess, unknown
from practise.params import Params

Location = tuple[int | str, ...]
Problem = tuple[Location, str]

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a section of keys and values",
    "model_type": "a section of keys and values",
    "model_attributes_type": "a section of keys and values",
    "finite_number": "a finite number",
}
BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
GRID_SECTIONS = {"networks": "network", "images": "images", "methods": "method"}


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


def check_values(values: Any, source: str) -> Params:
    """Return the typed params, or raise a `ParamsError` that names every problem."""
    params, problems = None, list(_across(values))
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        problems = [*_inside(error.errors(include_url=False)), *problems]
    if params is None or problems:
        ordered = sorted(dict.fromkeys(problems), key=lambda problem: _position(values, problem[0]))
        lines = [
            ": ".join(part for part in (source, _dotted(place), text) if part) for place, text in ordered
        ]
        raise ParamsError("\n".join(lines))
    return params


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


def _inside(errors: Sequence[ErrorDetails]) -> Iterator[Problem]:
    """Say each problem that pydantic found."""
    for error in errors:
        location = error["loc"]
        if error["type"] == "too_short" and error["input"]:
            continue  # the list holds something, and each wrong item is told on its own
        if location and location[-1] == "[key]":
            yield location[:-1], _describe_key(error)
        else:
            yield location, _describe(error)


def _describe_key(error: ErrorDetails) -> str:
    if error["type"] == "string_type":
        return f"the key is {_found(error['input'])}, should be text; put it in quotes"
    return f"the name {NAME_RULE}"


NAME_RULE = "should hold only letters, digits, '_' and '-', and not start with '-'"


def _describe(error: ErrorDetails) -> str:
    kind, location, found = error["type"], error["loc"], error["input"]
    context = error.get("ctx", {})
    if kind == "missing":
        return "is missing" + _purpose(location)
    if kind == "extra_forbidden":
        known = list(_fields(_type_at(location[:-1])))
        return f"unknown key (known: {', '.join(known)}).{guess(location[-1], known)}".removesuffix(".")
    if kind == "literal_error":
        allowed = get_args(_bare(_type_at(location)))
        if not isinstance(found, str):
            return f"is {_found(found)}, should be one of {', '.join(allowed)}"
        return unknown(_title(location), found, allowed)
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        return f"is {found}, should be {words} {context[key]:g}"
    if kind == "string_pattern_mismatch":
        return f"'{found}' {NAME_RULE}"
    if kind == "string_too_short":
        return "is empty text, should be filled in" + _purpose(location)
    if kind == "too_short":
        return "is an empty list, should hold at least one"
    if kind in EXPECTED:
        return f"is {_found(found)}, should be {EXPECTED[kind]}{_numeric_hint(kind, found)}"
    return error["msg"]


def _numeric_hint(kind: str, found: Any) -> str:
    """Help with `3e-4`, which YAML 1.1 reads as text because it has no dot."""
    number = re.fullmatch(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)", found) if isinstance(found, str) else None
    if kind != "float_type" or number is None:
        return ""
    whole, fraction, sign, exponent = number.groups()
    return f"; write {whole}{fraction or '.0'}e{sign or '+'}{exponent}"


def _across(values: Any) -> Iterator[Problem]:
    """Find what is wrong between keys, in values that may be wrong in other ways too."""
    if not isinstance(values, Mapping):
        return
    grid = values.get("grid")
    if isinstance(grid, Mapping):
        for key, items in grid.items():
            if isinstance(items, list):
                yield from _repeated(("grid", key), items)
        yield from _rank(values, grid)
        yield from _sources(values, grid)
        yield from _unmatched(values, grid)
        for section, what in GRID_SECTIONS.items():
            entries, items = values.get(section), grid.get(section)
            if isinstance(entries, Mapping) and isinstance(items, list):
                for index, item in enumerate(items):
                    if isinstance(item, str) and item not in entries:
                        yield ("grid", section, index), unknown(what, item, entries)
    sources = values.get("images")
    for name, network in _entries(values.get("networks")):
        head = network.get("head")
        if isinstance(head, str) and isinstance(sources, Mapping) and head not in sources:
            yield ("networks", name, "head"), unknown("images", head, sources)
        if network.get("weights") == "package:":
            yield ("networks", name, "weights"), "names no package, should be package:NAME"
    for name, images in _entries(sources):
        yield from _source_keys(("images", name), images)
    latency = values.get("latency")
    if isinstance(latency, Mapping) and isinstance(latency.get("also"), list):
        yield from _repeated(("latency", "also"), latency["also"])
        for index, size in enumerate(latency["also"]):
            if size == latency.get("batch_size") and not isinstance(size, bool):
                yield ("latency", "also", index), f"{size} is already latency.batch_size"


def _rank(values: Mapping[Any, Any], grid: Mapping[Any, Any]) -> Iterator[Problem]:
    """The comparison of criteria takes what the grid has."""
    rank, methods = values.get("rank"), values.get("methods")
    if not isinstance(rank, Mapping):
        return
    for key, items in rank.items():
        if isinstance(items, list):
            yield from _repeated(("rank", key), items)
            known = grid.get(key)
            if isinstance(known, list):
                for index, item in enumerate(items):
                    if item not in known:
                        yield (
                            ("rank", key, index),
                            f"{item} is not in grid.{key} ({', '.join(map(str, known))})",
                        )
    method = rank.get("method")
    if isinstance(method, str) and isinstance(methods, Mapping):
        if method not in methods:
            yield ("rank", "method"), unknown("method", method, methods)
        elif _section(methods, method).get("criterion") == "l1_filters":
            yield ("rank", "method"), f"'{method}' prunes filters, should be one that drops blocks"


def _sources(values: Mapping[Any, Any], grid: Mapping[Any, Any]) -> Iterator[Problem]:
    """Recoveries with several sources of images take what the grid has, and labels where there are any."""
    chosen, entries, methods = (_section(values, key) for key in ("sources", "images", "methods"))
    kinds = {name: entry.get("source") for name, entry in _entries(entries)}
    for index, name in enumerate(_list(grid, "images")):
        if kinds.get(name) in WITHOUT_EVALUATION:
            yield (
                ("grid", "images", index),
                f"'{name}' has no images to evaluate on; name it in sources.images",
            )
    for key, items in chosen.items():
        if isinstance(items, list):
            yield from _repeated(("sources", key), items)
    for key, section in {"images": entries, "methods": methods}.items():
        for index, name in enumerate(_list(chosen, key)):
            if isinstance(name, str) and section and name not in section:
                yield ("sources", key, index), unknown(GRID_SECTIONS[key], name, section)
    for index, name in enumerate(_list(chosen, "networks")):
        if _list(grid, "networks") and name not in _list(grid, "networks"):
            yield ("sources", "networks", index), f"{name} is not in grid.networks"
    evaluation, known = chosen.get("evaluation"), _list(grid, "images")
    if isinstance(evaluation, str) and known and evaluation not in known:
        yield ("sources", "evaluation"), f"{evaluation} is not in grid.images ({', '.join(map(str, known))})"
    unlabelled = [name for name in _list(chosen, "images") if kinds.get(name) in WITHOUT_LABELS]
    for index, name in enumerate(_list(chosen, "methods")):
        method = _section(methods, name)
        if method.get("criterion") == "l1_filters":
            yield ("sources", "methods", index), f"'{name}' prunes filters, should be one that drops blocks"
        elif method.get("loss") in READ_LABELS and unlabelled:
            yield ("sources", "methods", index), f"'{name}' reads labels, but '{unlabelled[0]}' has none"
    made = _section(values, "synthesize").get("num_images")
    if "synthesized" in [kinds.get(name) for name in _list(chosen, "images")] and isinstance(made, int):
        for index, count in enumerate(_list(chosen, "num_images")):
            if isinstance(count, int) and count > made:
                yield ("sources", "num_images", index), f"is {count}, but synthesize.num_images makes {made}"


WITHOUT_LABELS = ("photographs", "unlabelled")
"""Sources whose images have no labels."""
WITHOUT_EVALUATION = (*WITHOUT_LABELS, "synthesized")
"""Sources without images to measure accuracy on."""
READ_LABELS = ("cross_entropy", "distil")
"""Losses that look at labels."""


def _unmatched(values: Mapping[Any, Any], grid: Mapping[Any, Any]) -> Iterator[Problem]:
    """Filters are pruned for a reduction, and where that is one of the latency, the share was searched."""
    methods, latency, select = (_section(values, key) for key in ("methods", "latency", "select"))
    chosen = {name: _section(methods, name) for name in _list(grid, "methods") if isinstance(name, str)}
    pruning = {name: one for name, one in chosen.items() if one.get("criterion") == "l1_filters"}
    by_latency = [
        name
        for name, one in pruning.items()
        if _section(one, "select").get("match", select.get("match")) == "latency"
    ]
    searched = latency.get("thinner", ...)
    told_elsewhere = not (searched is None or isinstance(searched, list) and searched)
    for index, target in enumerate(_list(grid, "targets")):
        place = ("grid", "targets", index)
        if isinstance(target, bool) or not isinstance(target, int | float) or not 0 < target < math.inf:
            continue  # told elsewhere
        if target >= 1:
            if pruning and target == int(target):
                name = next(iter(pruning))
                yield (
                    place,
                    f"is {target} blocks, but '{name}' prunes filters; should be a share of the latency",
                )
        elif by_latency and not told_elsewhere and target not in (searched or []):
            yield place, f"{target} is missing in latency.thinner; '{by_latency[0]}' prunes filters for it"


def _section(values: Mapping[Any, Any], key: Any) -> Mapping[Any, Any]:
    section = values.get(key)
    return section if isinstance(section, Mapping) else {}


def _list(values: Mapping[Any, Any], key: str) -> list[Any]:
    items = values.get(key)
    return items if isinstance(items, list) else []


def _entries(section: Any) -> Iterator[tuple[Any, Mapping[Any, Any]]]:
    if isinstance(section, Mapping):
        yield from ((name, entry) for name, entry in section.items() if isinstance(entry, Mapping))


def _source_keys(place: Location, images: Mapping[Any, Any]) -> Iterator[Problem]:
    """A folder needs its directories; a packaged set takes none."""
    if images.get("source") == "folder":
        for key in ("train", "evaluation"):
            if images.get(key) is None:
                yield (*place, key), f"is missing; it should be the directory of the {SPLITS[key]} images"
    source = images.get("source")
    if source == "unlabelled" and images.get("train") is None:
        yield (*place, "train"), "is missing; it should be the directory of the images"
    for key in NOT_OF.get(source, ()) if isinstance(source, str) else ():
        if images.get(key) is not None:
            yield (*place, key), f"does not belong to source {source}, should be left out"


NOT_OF = dict.fromkeys(("elpv", "photographs", "synthesized"), ("train", "evaluation", "class_list")) | {
    "unlabelled": ("evaluation", "class_list")
}
"""The keys that have no place in an entry, by its source."""
SPLITS = {"train": "training", "evaluation": "evaluation"}


def _repeated(place: Location, items: list[Any]) -> Iterator[Problem]:
    first: dict[Any, int] = {}
    for index, item in enumerate(items):
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            continue  # told elsewhere
        if item in first:
            yield (*place, index), f"{item} is already there at {_dotted((*place, first[item]))}"
        first.setdefault(item, index)


def _found(value: Any) -> str:
    """Say a value as the person who wrote it sees it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value}" if math.isfinite(value) else f"not finite ({value})"
    if isinstance(value, str):
        return f"the text '{value}'"
    names: dict[type, str] = {dict: "a section", list: "a list", date: "a date"}
    return names.get(type(value), f"of type {type(value).__name__}")


def _dotted(location: Location) -> str:
    """Write a place as `grid.methods[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(
        "."
    )


def _position(values: Any, location: Location) -> tuple[int, ...]:
    """Return where a place stands in the file, to tell problems in that order; what is missing comes last."""
    order = []
    for part in location:
        if isinstance(values, Mapping):
            keys = list(values)
            order.append(keys.index(part) if part in keys else len(keys))
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            order.append(part)
            values = values[part]
    return tuple(order)


def _type_at(location: Location) -> Any:
    """Return the annotation of a place in the schema."""
    kind: Any = Params
    for part in location:
        fields = _fields(kind)
        if fields:
            kind = fields[str(part)].annotation if str(part) in fields else None
            continue
        inner = _bare(kind)
        arguments = get_args(inner)
        kind = arguments[1] if get_origin(inner) is dict else arguments[0] if arguments else None
    return kind


def _fields(kind: Any) -> Mapping[str, Any]:
    bare = _bare(kind)
    return bare.model_fields if isinstance(bare, type) and issubclass(bare, BaseModel) else {}


def _bare(kind: Any) -> Any:
    """Strip `Annotated` and `| None` from an annotation."""
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    others = [argument for argument in get_args(kind) if argument is not type(None)]
    return _bare(others[0]) if type(None) in get_args(kind) and len(others) == 1 else kind


def _title(location: Location) -> str:
    while isinstance(location[-1], int):
        location = location[:-1]
    field = _fields(_type_at(location[:-1])).get(str(location[-1]))
    return str(getattr(field, "title", None) or location[-1])


def _purpose(location: Location) -> str:
    field = _fields(_type_at(location[:-1])).get(str(location[-1]))
    description = getattr(field, "description", None)
    return f" ({description.rstrip('.')})" if description else ""
