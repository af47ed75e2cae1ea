"""What is wrong with a params file, all of it at once, one sentence a problem.

`params.yaml: device.name: unknown device 'gpu' (known: auto, cpu, cuda). Did you mean 'cuda'?`
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from practise.errors import ParamsError, guess, unknown
from practise.images.params import SOURCES, ImagesParams, SourceKind
from practise.networks.params import NO_OPTIONS
from practise.recovery.registry import LOSSES
from practise.schema import OneOf
from practise.scoring.registry import CRITERIA
from practise.settings.params import Params

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
"""Sections whose entries the grid names, and what an entry is called in messages and flags."""


def check_values(values: Any, source: str = "params.yaml") -> Params:
    """Return the typed params of what a params file holds.

    Args:
        values: The nested mappings, lists and values.
        source: What to call the file in messages.

    Raises:
        ParamsError: One line for each problem.
    """
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
        allowed = _allowed(_type_at(location))
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
        return f"is {_found(found)}, should be {EXPECTED[kind]}"
    return error["msg"]


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
        for option in _section(network, "options"):
            if option in NO_OPTIONS:
                yield (
                    ("networks", name, "options", option),
                    "is not for the params to say, should be left out",
                )
    yield from _given(values, grid)
    for name, images in _entries(sources):
        yield from _source_keys(("images", name), images)
    latency = values.get("latency")
    if isinstance(latency, Mapping) and isinstance(latency.get("also"), list):
        yield from _repeated(("latency", "also"), latency["also"])
        for index, size in enumerate(latency["also"]):
            if size == _setting(values, "latency", "batch_size") and not isinstance(size, bool):
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
            if isinstance(known, list) and known:
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
        elif _prunes_filters(_section(methods, method)):
            yield ("rank", "method"), f"'{method}' prunes filters, should be one that drops blocks"


def _sources(values: Mapping[Any, Any], grid: Mapping[Any, Any]) -> Iterator[Problem]:
    """Recoveries with several sources of images take what the grid has, and labels where there are any."""
    chosen, entries, methods = (_section(values, key) for key in ("sources", "images", "methods"))
    kinds = {name: entry.get("source") for name, entry in _entries(entries)}
    for index, name in enumerate(_list(grid, "images")):
        if (kind := _kind(kinds.get(name))) and not kind.has_evaluation:
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
    unlabelled = [
        name for name in _list(chosen, "images") if (kind := _kind(kinds.get(name))) and not kind.has_labels
    ]
    for index, name in enumerate(_list(chosen, "methods")):
        method = _section(methods, name)
        if _prunes_filters(method):
            yield ("sources", "methods", index), f"'{name}' prunes filters, should be one that drops blocks"
        elif (loss := LOSSES.get(str(method.get("loss")))) and loss.reads_labels and unlabelled:
            yield ("sources", "methods", index), f"'{name}' reads labels, but '{unlabelled[0]}' has none"
    made = _setting(values, "synthesize", "num_images")
    asked = [_kind(kinds.get(name)) for name in _list(chosen, "images")]
    if any(kind is not None and kind.is_made for kind in asked) and isinstance(made, int):
        for index, count in enumerate(_list(chosen, "num_images")):
            if isinstance(count, int) and count > made:
                yield ("sources", "num_images", index), f"is {count}, but synthesize.num_images makes {made}"


def _kind(source: Any) -> SourceKind | None:
    """What is known of an entry's source; None where there is no such source, which is told elsewhere."""
    return SOURCES.get(source) if isinstance(source, str) else None


def _prunes_filters(method: Mapping[Any, Any]) -> bool:
    criterion = CRITERIA.get(str(method.get("criterion")))
    return criterion is not None and criterion.prunes == "filters"


def _unmatched(values: Mapping[Any, Any], grid: Mapping[Any, Any]) -> Iterator[Problem]:
    """Filters are pruned for a reduction, and where that is one of the latency, the share was searched.

    A number of blocks stands for what so many save; that is not known of MACs.
    """
    methods, match = _section(values, "methods"), _setting(values, "select", "match")
    chosen = {name: _section(methods, name) for name in _list(grid, "methods") if isinstance(name, str)}
    pruning = {name: one for name, one in chosen.items() if _prunes_filters(one)}
    matches = {name: _section(one, "select").get("match") or match for name, one in pruning.items()}
    by_latency, by_macs = (
        [name for name, own in matches.items() if own == wanted] for wanted in ("latency", "macs")
    )
    searched = _setting(values, "latency", "thinner")
    told_elsewhere = not (searched is None or isinstance(searched, list) and searched)
    for index, target in enumerate(_list(grid, "targets")):
        place = ("grid", "targets", index)
        if isinstance(target, bool) or not isinstance(target, int | float) or not 0 < target < math.inf:
            continue  # told elsewhere
        if target >= 1 and target != int(target):
            continue  # told elsewhere
        if target >= 1 and by_macs:
            yield (
                place,
                f"is {target} blocks, but '{by_macs[0]}' prunes filters for MACs; should be a share of them",
            )
        elif by_latency and not told_elsewhere and target not in (searched or []):
            yield place, f"{target} is missing in latency.thinner; '{by_latency[0]}' prunes filters for it"


def _given(values: Mapping[Any, Any], grid: Any) -> Iterator[Problem]:
    """A method names its blocks where its criterion says so, and as many as the grid asks for."""
    asked = _list(grid, "targets") if isinstance(grid, Mapping) else []
    counts = [target for target in asked if isinstance(target, int) and not isinstance(target, bool)]
    chosen = _list(grid, "methods") if isinstance(grid, Mapping) else []
    for name, method in _entries(values.get("methods")):
        criterion, blocks = CRITERIA.get(str(method.get("criterion"))), method.get("blocks")
        place = ("methods", name, "blocks")
        if criterion is None:
            continue  # told elsewhere
        if not criterion.given:
            if blocks is not None:
                yield place, f"does not belong to criterion {method['criterion']}, should be left out"
        elif blocks is None:
            yield place, "is missing; it should be the blocks that may go, in order"
        elif isinstance(blocks, list):
            yield from _repeated(place, blocks)
            if name in chosen and len(blocks) < max(counts, default=0):
                yield place, f"names {len(blocks)}, but grid.targets asks for {max(counts)}"


def _section(values: Mapping[Any, Any], key: Any) -> Mapping[Any, Any]:
    section = values.get(key)
    return section if isinstance(section, Mapping) else {}


def _setting(values: Mapping[Any, Any], section: str, key: str) -> Any:
    """Return what the file says of a setting, or its default; `...` where its section is not there."""
    said = values.get(section)
    return said.get(key, _fields(_type_at((section,)))[key].default) if isinstance(said, Mapping) else ...


def _list(values: Mapping[Any, Any], key: str) -> list[Any]:
    items = values.get(key)
    return items if isinstance(items, list) else []


def _entries(section: Any) -> Iterator[tuple[Any, Mapping[Any, Any]]]:
    if isinstance(section, Mapping):
        yield from ((name, entry) for name, entry in section.items() if isinstance(entry, Mapping))


def _source_keys(place: Location, images: Mapping[Any, Any]) -> Iterator[Problem]:
    """A folder needs its directories; a packaged set takes none."""
    kind = _kind(source := images.get("source"))
    if kind is None:
        return  # told elsewhere
    for key in kind.needs:
        if images.get(key) is None:
            which = f"{SPLITS[key]} images" if len(kind.needs) > 1 else "images"
            yield (*place, key), f"is missing; it should be the directory of the {which}"
    for key in ImagesParams.model_fields:
        if key not in ("source", "views", *kind.needs, *kind.takes) and images.get(key) is not None:
            yield (*place, key), f"does not belong to source {source}, should be left out"


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
            kind = _annotation(fields.get(str(part)))
            continue
        inner = _bare(kind)
        arguments = get_args(inner)
        kind = arguments[1] if get_origin(inner) is dict else arguments[0] if arguments else None
    return kind


def _fields(kind: Any) -> Mapping[str, Any]:
    bare = _bare(kind)
    return bare.model_fields if isinstance(bare, type) and issubclass(bare, BaseModel) else {}


def _annotation(field: Any) -> Any:
    """Return a field's type with what stands beside it, such as the names that are allowed."""
    if field is None or not field.metadata:
        return getattr(field, "annotation", None)
    return Annotated[field.annotation, *field.metadata]


def _allowed(kind: Any) -> tuple[str, ...]:
    """Return the names that a type allows: those of a registry, or of a `Literal`."""
    for part in (kind, *get_args(kind)):
        for marked in getattr(part, "__metadata__", ()):
            if isinstance(marked, OneOf):
                return marked.names
    return get_args(_bare(kind))


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
