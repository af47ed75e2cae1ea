"""A params file is taken as a whole or refused with every problem in one sentence each."""

import copy
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from practise.commands.schema import schema
from practise.errors import ParamsError
from practise.settings.params import Undeclared, json_schema
from practise.settings.problems import check_values
from practise.settings.reading import load_params, read_yaml

ROOT = Path(__file__).parents[1]
COMMITTED: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
ONE_FIRST = ["fskd", *(method for method in COMMITTED["grid"]["methods"] if method != "fskd")]
VALUES: dict[str, Any] = {
    **COMMITTED,
    "grid": {**COMMITTED["grid"], "methods": ONE_FIRST, "targets": [0.16, 0.22]},
    "latency": {**COMMITTED["latency"], "thinner": [0.16, 0.22]},
    "rank": {**COMMITTED["rank"], "seeds": [0], "targets": [0.16]},
}
"""The committed params with targets of the tests' own, and a method that prunes filters first."""
METHODS = ", ".join(VALUES["methods"])
FILES = ["params.yaml", *(str(file.relative_to(ROOT)) for file in sorted(ROOT.glob("studies/*/params.yaml")))]


def problems_of(values: Any) -> list[str]:
    with pytest.raises(ParamsError) as error:
        check_values(values)
    return str(error.value).splitlines()


def changed(**changes: Any) -> dict[str, Any]:
    """The committed params with some values replaced: `changed(**{"device.name": "gpu"})`; `...` removes."""
    values = copy.deepcopy(VALUES)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        if value is ...:
            del section[last]
        else:
            section[last] = value
    return values


def places(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of the committed params, dotted; not inside a method's overrides, all optional."""
    for key, value in section.items():
        yield prefix + key
        if isinstance(value, dict) and not (prefix.startswith("methods.") and key in ("score", "recover")):
            yield from places(value, f"{prefix}{key}.")


ALL_PLACES = list(places(VALUES))
NAMED = ("networks.", "images.", "methods.")  # what is below is named by the user
FIXED = [place for place in ALL_PLACES if not place.startswith(NAMED)]
REQUIRED = ("study", "device", "data", "grid", "rank", "sources")  # each of whose keys every file must have
LEFT_OUT = [place for place in FIXED if "." in place and not place.startswith(REQUIRED)]


def test_the_committed_file_is_right() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.grid.targets == tuple(COMMITTED["grid"]["targets"])
    assert params.networks.keys() == COMMITTED["networks"].keys()


@pytest.mark.parametrize("place", [place for place in FIXED if place not in LEFT_OUT])
def test_a_missing_key_is_named(place: str) -> None:
    assert any(
        line.startswith(f"params.yaml: {place}: is missing") for line in problems_of(changed(**{place: ...}))
    )


@pytest.mark.parametrize(
    "place",
    [
        f"{entry}.{key}"
        for entry, keys in {
            "networks.efficientnet_lite0": ("library", "architecture", "weights", "image_size", "head"),
            "images.elpv": ("source",),
            "methods.practise": ("criterion", "loss", "preset"),
        }.items()
        for key in keys
    ],
)
def test_a_key_that_is_missing_in_an_entry_is_named(place: str) -> None:
    (line,) = problems_of(changed(**{place: ...}))
    assert line.startswith(f"params.yaml: {place}: is missing")


@pytest.mark.parametrize("place", LEFT_OUT)
def test_a_setting_that_is_left_out_has_the_defaults_value(place: str) -> None:
    methods = {"grid.methods": ["practise"]}  # none that needs what latency.thinner has
    left_out = check_values(changed(**methods, **{place: ...}))
    committed = check_values({**COMMITTED, "grid": {**COMMITTED["grid"], "methods": ["practise"]}})
    assert left_out.value(place) == (None if place == "latency.thinner" else committed.value(place))


@pytest.mark.parametrize("place", ALL_PLACES)
def test_a_value_of_the_wrong_kind_is_named(place: str) -> None:
    lines = problems_of(changed(**{place: date(2021, 1, 1)}))
    assert [line.startswith(f"params.yaml: {place}: is a date, should be ") for line in lines] == [True]


@pytest.mark.parametrize("place", FIXED)
def test_a_misspelt_key_is_guessed(place: str) -> None:
    *parents, last = place.split(".")
    misspelt = ".".join([*parents, last + "x"])
    lines = problems_of(changed(**{place: ..., misspelt: VALUES}))
    found = [line for line in lines if line.startswith(f"params.yaml: {misspelt}: unknown key (known: ")]
    assert len(found) == 1
    assert found[0].endswith(f"Did you mean '{last}'?")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"grid.methods": ["bp_blocks", "practice"]},
            f"grid.methods[1]: unknown method 'practice' (known: {METHODS}). Did you mean 'practise'?",
        ),
        (
            {"grid.networks": ["efficientnet_lite0", "efficientnet_lite1"]},
            "grid.networks[1]: unknown network 'efficientnet_lite1' (known: efficientnet_lite0). "
            "Did you mean 'efficientnet_lite0'?",
        ),
        (
            {"grid.images": ["elpv", "zebras"]},
            "grid.images[1]: unknown images 'zebras' (known: elpv, photographs, synthesized)",
        ),
        (
            {"networks.efficientnet_lite0.head": "elpw"},
            "networks.efficientnet_lite0.head: unknown images 'elpw' (known: elpv, photographs, "
            "synthesized). Did you mean 'elpv'?",
        ),
        ({"grid.seeds": [0, 1, 0]}, "grid.seeds[2]: 0 is already there at grid.seeds[0]"),
        ({"grid.targets": [0.16, 0.160]}, "grid.targets[1]: 0.16 is already there at grid.targets[0]"),
        ({"grid.targets": []}, "grid.targets: is an empty list, should hold at least one"),
        ({"grid.seeds": 1}, "grid.seeds: is 1, should be a list"),
        ({"grid.seeds": [0, -1]}, "grid.seeds[1]: is -1, should be at least 0"),
        ({"grid.seeds": [0, True]}, "grid.seeds[1]: is true, should be a whole number"),
        ({"grid.seeds": [0, 1.0]}, "grid.seeds[1]: is 1.0, should be a whole number"),
        ({"grid.num_images": [50, 0]}, "grid.num_images[1]: is 0, should be at least 1"),
        ({"grid.targets": [0.16, 0]}, "grid.targets[1]: is 0, should be greater than 0"),
        (
            {"grid.targets": [0.16, 2.5]},
            "grid.targets[1]: should be below 1 (a latency reduction) or whole (a number of blocks)",
        ),
        ({"grid.targets": [0.16, True]}, "grid.targets[1]: is true, should be a number"),
        (
            {"grid.targets": [0.16, float("nan")]},
            "grid.targets[1]: is not finite (nan), should be a finite number",
        ),
        (
            {"device.name": "gpu"},
            "device.name: unknown device 'gpu' (known: auto, cpu, cuda). Did you mean 'cuda'?",
        ),
        (
            {"methods.practise.criterion": "recover"},
            "methods.practise.criterion: unknown criterion 'recover' (known: random, first_blocks, latency, "
            "feature_change, output_divergence, block_influence, concept_masks, recoverability, "
            "combined_recoverability, given, l1_filters). "
            "Did you mean 'recoverability'?",
        ),
        (
            {"methods.practise.loss": "mse"},
            "methods.practise.loss: unknown loss 'mse' (known: mimic, cross_entropy, distil). "
            "Did you mean 'mimic'?",
        ),
        (
            {"methods.practise.preset": "offical"},
            "methods.practise.preset: unknown preset 'offical' (known: official, default). "
            "Did you mean 'official'?",
        ),
        (
            {"images.elpv.source": "elvp"},
            "images.elpv.source: unknown source 'elvp' (known: cub200, elpv, folder, idx, photographs, "
            "synthesized, unlabelled). Did you mean 'elpv'?",
        ),
        ({"recover.steps": "60"}, "recover.steps: is the text '60', should be a whole number"),
        ({"recover.steps": True}, "recover.steps: is true, should be a whole number"),
        ({"recover.steps": None}, "recover.steps: is empty, should be a whole number"),
        ({"teacher.l2": "3e-4"}, "teacher.l2: is the text '3e-4', should be a number"),
        ({"teacher.l2": "much"}, "teacher.l2: is the text 'much', should be a number"),
        ({"teacher.l2": -0.5}, "teacher.l2: is -0.5, should be at least 0"),
        ({"evaluate": None}, "evaluate: is empty, should be a section of keys and values"),
        ({"latency.also": []}, "latency.also: is an empty list, should hold at least one"),
        ({"latency.also": [0]}, "latency.also[0]: is 0, should be at least 1"),
        ({"latency.also": [16, 4, 16]}, "latency.also[2]: 16 is already there at latency.also[0]"),
        ({"latency.also": [16, 1]}, "latency.also[1]: 1 is already latency.batch_size"),
        ({"latency.thinner": []}, "latency.thinner: is an empty list, should hold at least one"),
        (
            {"latency.thinner": [0.16, 0.22, 1.5]},
            "latency.thinner[2]: should be below 1 (a latency reduction) or whole (a number of blocks)",
        ),
        (
            {"rank.images": ["zebras"]},
            "rank.images[0]: zebras is not in grid.images (elpv)",
        ),
        ({"rank.num_images": [50, 20]}, "rank.num_images[1]: 20 is not in grid.num_images (50)"),
        ({"rank.seeds": [7]}, "rank.seeds[0]: 7 is not in grid.seeds (0, 1, 2)"),
        ({"grid.seeds": [1, 2]}, "rank.seeds[0]: 0 is not in grid.seeds (1, 2)"),
        ({"rank.seeds": [0, 0]}, "rank.seeds[1]: 0 is already there at rank.seeds[0]"),
        ({"rank.targets": [0.3]}, "rank.targets[0]: 0.3 is not in grid.targets (0.16, 0.22)"),
        ({"rank.targets": [0.16, 0.22, 0.16]}, "rank.targets[2]: 0.16 is already there at rank.targets[0]"),
        ({"rank.targets": []}, "rank.targets: is an empty list, should hold at least one"),
        (
            {"rank.searches": ["lowest", "greedy"]},
            "rank.searches[1]: unknown search 'greedy' (known: lowest, knapsack, progressive)",
        ),
        (
            {"rank.searches": ["lowest", "lowest"]},
            "rank.searches[1]: lowest is already there at rank.searches[0]",
        ),
        ({"rank.sets": -1}, "rank.sets: is -1, should be at least 0"),
        ({"rank.sets_per_target": 0.5}, "rank.sets_per_target: is 0.5, should be a whole number"),
        ({"rank.most_images": 0}, "rank.most_images: is 0, should be at least 1"),
        (
            {"rank.criteria": ["l1_filters"]},
            "rank.criteria[0]: unknown criterion 'l1_filters' (known: random, first_blocks, latency, "
            "feature_change, output_divergence, block_influence, concept_masks, recoverability, "
            "combined_recoverability)",
        ),
        (
            {"rank.method": "practice"},
            f"rank.method: unknown method 'practice' (known: {METHODS}). Did you mean 'practise'?",
        ),
        (
            {"grid.targets": [0.16, 0.2]},
            "grid.targets[1]: 0.2 is missing in latency.thinner; 'fskd' prunes filters for it",
        ),
        (
            {"grid.targets": [0.16, 4]},
            "grid.targets[1]: 4 is missing in latency.thinner; 'fskd' prunes filters for it",
        ),
        (
            {"methods.practise.criterion": "given"},
            "methods.practise.blocks: is missing; it should be the blocks that may go, in order",
        ),
        (
            {"methods.practise.blocks": ["a"]},
            "methods.practise.blocks: does not belong to criterion combined_recoverability, should be left "
            "out",
        ),
        (
            {
                "grid.methods": ["practise"],
                "grid.targets": [1, 3],
                "rank.targets": [1],
                "methods.practise.criterion": "given",
                "methods.practise.blocks": ["a", "b"],
            },
            "methods.practise.blocks: names 2, but grid.targets asks for 3",
        ),
        (
            {"rank.criteria": ["given"]},
            "rank.criteria[0]: unknown criterion 'given' (known: random, first_blocks, latency, "
            "feature_change, output_divergence, block_influence, concept_masks, recoverability, "
            "combined_recoverability)",
        ),
        (
            {"sources.num_images": [50, "al"]},
            "sources.num_images[1]: is the text 'al', should be a whole number or all",
        ),
        (
            {"images.elpv.views": {"crop": "sized"}},
            "images.elpv.views.crop: unknown crop 'sized' (known: size, place, none). Did you mean 'size'?",
        ),
        (
            {"grid.targets": [0.16, 4], "select.match": "macs"},
            "grid.targets[1]: is 4 blocks, but 'fskd' prunes filters for MACs; should be a share of them",
        ),
        ({"latency.max_seconds": 0}, "latency.max_seconds: is 0, should be greater than 0"),
        (
            {"grid.methods": ["practise", "mir"], "latency.thinner": [0.22]},
            "grid.targets[0]: 0.16 is missing in latency.thinner; 'mir' prunes filters for it",
        ),
        (
            {
                "grid.methods": ["fskd", "mir"],
                "select.match": "macs",
                "methods.mir.select": {"match": "latency"},
                "latency.thinner": [0.16],
            },
            "grid.targets[1]: 0.22 is missing in latency.thinner; 'mir' prunes filters for it",
        ),
        (
            {"data.root": ""},
            "data.root: is empty text, should be filled in (The folder that relative paths of images, class "
            "lists and weights start from; relative itself, it starts from the project's root)",
        ),
        (
            {"study.name": "a/b"},
            "study.name: 'a/b' should hold only letters, digits, '_' and '-', and not start with '-'",
        ),
        (
            {"study.root": ""},
            "study.root: is empty text, should be filled in (The way from this file's folder "
            "to the project's root; DVC runs there)",
        ),
        (
            {"networks.efficientnet_lite0.weights": "package:"},
            "networks.efficientnet_lite0.weights: names no package, should be package:NAME",
        ),
        (
            {"networks.efficientnet_lite0.options": {"depth": [8, {}]}},
            "networks.efficientnet_lite0.options.depth: should be a number, text, true, false, null or a "
            "list of such values",
        ),
        (
            {"networks.efficientnet_lite0.options": {"depth": float("nan")}},
            "networks.efficientnet_lite0.options.depth: should be a number, text, true, false, null or a "
            "list of such values",
        ),
        (
            {"networks.efficientnet_lite0.options": {"in_chans": 1}},
            "networks.efficientnet_lite0.options.in_chans: is not for the params to say, should be left out",
        ),
        (
            {"networks.efficientnet_lite0.options": [1]},
            "networks.efficientnet_lite0.options: is a list, should be a section of keys and values",
        ),
        (
            {"networks.efficientnet_lite0.mean": [0.5, 0.5]},
            "networks.efficientnet_lite0.mean[2]: is missing",
        ),
        (
            {"networks.efficientnet_lite0.std": [0.5, 0.0, 0.5]},
            "networks.efficientnet_lite0.std[1]: is 0.0, should be greater than 0",
        ),
        (
            {"networks.efficientnet_lite0.mean": 0.5},
            "networks.efficientnet_lite0.mean: is 0.5, should be a list",
        ),
        (
            {"images.elpv.train": "/data"},
            "images.elpv.train: does not belong to source elpv, should be left out",
        ),
        (
            {"images.mine": {"source": "folder", "train": "/data/train"}},
            "images.mine.evaluation: is missing; it should be the directory of the evaluation images",
        ),
    ],
)
def test_each_mistake_is_one_sentence(changes: dict[str, Any], line: str) -> None:
    assert problems_of(changed(**changes)) == [f"params.yaml: {line}"]


@pytest.mark.parametrize("changes", [{"latency.thinner": [0.22]}, {"latency.thinner": ...}])
def test_what_filters_are_searched_for_is_compared_with_settings_that_are_left_out(
    changes: dict[str, Any],
) -> None:
    (line, *_) = problems_of(changed(**{"select.match": ...}, **changes))
    assert line == (
        "params.yaml: grid.targets[0]: 0.16 is missing in latency.thinner; 'fskd' prunes filters for it"
    )


def test_batch_sizes_and_numbers_of_images_are_compared_with_settings_that_are_left_out() -> None:
    assert problems_of(changed(**{"latency.batch_size": ..., "latency.also": [16, 1]})) == [
        "params.yaml: latency.also[1]: 1 is already latency.batch_size"
    ]
    assert problems_of(changed(**{"synthesize.num_images": ..., "sources.num_images": [51]})) == [
        "params.yaml: sources.num_images[0]: is 51, but synthesize.num_images makes 50"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"grid.methods": ["bp_blocks", "practise"], "grid.targets": [0.16, 4], "latency.thinner": None},
        {"select.match": "macs", "grid.targets": [0.16], "latency.thinner": None},
        {"grid.methods": ["mir"], "methods.mir.select": {"match": "macs"}, "latency.thinner": None},
        {"latency.thinner": [0.3, 0.22, 0.16]},
        {"latency.thinner": [2, 0.16], "grid.targets": [0.16, 2]},
    ],
)
def test_filters_are_searched_by_measuring_only_for_targets_of_methods_that_prune_them(
    changes: dict[str, Any],
) -> None:
    assert check_values(changed(**changes)).grid.methods


def test_without_thinner_networks_every_target_of_methods_that_prune_filters_is_told() -> None:
    assert problems_of(changed(**{"latency.thinner": None})) == [
        f"params.yaml: grid.targets[{place}]: {target} is missing in latency.thinner; 'fskd' prunes filters "
        "for it"
        for place, target in enumerate(VALUES["grid"]["targets"])
    ]


def test_the_criteria_are_compared_on_a_part_of_the_grid_alone() -> None:
    whole = {key: VALUES["grid"][key] for key in ("networks", "images", "num_images", "seeds")}
    changes = {f"rank.{key}": items for key, items in whole.items()}
    rank = check_values(changed(**changes)).rank
    assert {key: list(getattr(rank, key)) for key in whole} == whole
    lines = problems_of(changed(**{f"grid.{key}": ["x"] for key in ("networks", "images")}))
    assert [line for line in lines if "rank" in line] == [
        f"params.yaml: rank.{key}[0]: {whole[key][0]} is not in grid.{key} (x)"
        for key in ("networks", "images")
    ]


def test_a_name_that_is_a_number_must_be_quoted() -> None:
    values = changed()
    values["networks"][34] = values["networks"]["efficientnet_lite0"]
    assert problems_of(values) == [
        "params.yaml: networks[34]: the key is 34, should be text; put it in quotes"
    ]


@pytest.mark.parametrize("name", ["mobilenet_v2_1.0", "..", "a/b", "-x", "", "a b"])
def test_a_name_must_suit_paths_and_flags(name: str) -> None:
    values = changed()
    values["networks"][name] = values["networks"]["efficientnet_lite0"]
    rule = "the name should hold only letters, digits, '_' and '-', and not start with '-'"
    assert problems_of(values) == [f"params.yaml: networks.{name}: {rule}"]


def test_a_folder_says_both_directories_that_it_needs() -> None:
    problem = "is missing; it should be the directory of the"
    assert problems_of(changed(**{"images.mine": {"source": "folder"}})) == [
        f"params.yaml: images.mine.train: {problem} training images",
        f"params.yaml: images.mine.evaluation: {problem} evaluation images",
    ]


def test_a_folder_with_its_directories_is_right() -> None:
    folder = {"source": "folder", "train": "/data/train", "evaluation": "/data/val", "class_list": "imagenet"}
    assert check_values(changed(**{"images.mine": folder})).images["mine"].train == "/data/train"


def test_relative_paths_of_data_start_from_its_root() -> None:
    data = check_values(changed(**{"data.root": "shelf", "data.holds": "photos"})).data
    assert (data.find("photos/train"), data.find("/photos")) == (Path("shelf/photos/train"), Path("/photos"))
    assert check_values(VALUES).data.find("photos") == Path("photos")


@pytest.mark.parametrize(
    ("root", "holds", "path", "advice"),
    [
        ("shelf", "the photos", "photos", "; set data.root to the folder that holds the photos"),
        ("shelf", None, "photos", "; set data.root to the folder that holds it"),
        ("shelf", "the photos", "/photos", ""),
        (".", "the photos", "photos", ""),
    ],
)
def test_what_is_missing_says_to_set_the_root_that_it_starts_from(
    root: str, holds: str | None, path: str, advice: str
) -> None:
    assert check_values(changed(data={"root": root, "holds": holds})).data.advice(path) == advice


def test_a_method_may_override_single_keys_of_a_preset() -> None:
    overrides = {"steps": 3, "lr": 0.5}
    method = check_values(changed(**{"methods.practise.recover": overrides})).methods["practise"]
    assert method.overrides("recover") == overrides
    assert method.overrides("score") == {}


def test_overrides_are_checked_like_the_sections_they_override() -> None:
    overrides = {"stepz": 3, "steps": -1, "lr": -1}
    stepz, steps, lr = problems_of(changed(**{"methods.practise.recover": overrides}))
    assert steps == "params.yaml: methods.practise.recover.steps: is -1, should be at least 0"
    assert lr == "params.yaml: methods.practise.recover.lr: is -1, should be greater than 0"
    assert stepz.startswith("params.yaml: methods.practise.recover.stepz: unknown key (known: steps, ")
    assert stepz.endswith("Did you mean 'steps'?")


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = problems_of(
        changed(
            **{
                "evaluate.batch_size": 0,
                "grid.seedz": [1],
                "grid.methods": ["practice"],
                "device.threads": "two",
                "networks.efficientnet_lite0.weights": ...,
            }
        )
    )
    assert [line.split(": ")[1] for line in lines] == [
        "device.threads",
        "grid.methods[0]",
        "grid.seedz",
        "networks.efficientnet_lite0.weights",
        "evaluate.batch_size",
    ]


def test_all_images_may_be_asked_for_and_are_written_down_as_such() -> None:
    everything = [50, "all"]
    params = check_values(changed(**{"grid.num_images": everything, "sources.num_images": everything}))
    assert params.grid.num_images == params.sources.num_images == (50, "all")
    assert params.value("grid.num_images") == everything
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(changed(**{"grid.num_images": everything}))
    assert not validator.is_valid(changed(**{"grid.num_images": ["al"]}))


def test_what_is_no_section_is_refused() -> None:
    assert problems_of([1]) == ["params.yaml: is a list, should be a section of keys and values"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "no such file, should be a params file such as params.yaml"),
        (
            "",
            "is empty, should hold the sections study, device, data, grid, networks, images, methods, "
            "teacher, latency, score, select, recover, evaluate, rank",
        ),
        ("grid: [1", "is not YAML at line 1, column 9: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\na: 2\n", "is not YAML at line 2, column 1: the key 'a' is there twice"),
        ("a:\n\t- 1\n", "is not YAML at line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: \x00", "is not YAML: unacceptable character #x0000: special characters are not allowed in "),
        (b"\xff\xfe\xff", "is not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, text: str | bytes | None, sentence: str
) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ParamsError) as error:
        load_params(path)
    assert str(error.value).startswith(f"{path}: {sentence}")
    assert "\n" not in str(error.value)


def test_the_file_is_called_as_the_user_called_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(changed(**{"device.threads": 0})))
    with pytest.raises(ParamsError) as error:
        load_params(path)
    assert str(error.value) == f"{path}: device.threads: is 0, should be at least 1"


def test_what_a_stage_does_not_declare_it_cannot_read() -> None:
    params = check_values(VALUES).only(["score", "methods.practise", "data.root"])
    assert (params.score, params.data) == (check_values(VALUES).score, check_values(VALUES).data)
    assert list(params.methods) == ["practise"]
    assert params.study.name == "default"
    for section in (params.recover, params.networks):
        assert isinstance(section, Undeclared)
    with pytest.raises(AssertionError, match=r"params\.recover: is read by a stage that does not declare it"):
        params.recover.steps  # noqa: B018
    for read in (list, len, lambda entries: entries["efficientnet_lite0"], lambda entries: "x" in entries):
        with pytest.raises(AssertionError, match=r"params\.networks: is read by a stage"):
            read(params.networks)
    with pytest.raises(KeyError):
        params.methods["mir"]


def test_params_are_frozen() -> None:
    params = check_values(VALUES)
    with pytest.raises(ValidationError):
        params.device.threads = 3  # type: ignore[misc]


def test_a_hash_is_of_values_not_of_how_they_are_written() -> None:
    values = changed()
    reordered = {key: dict(reversed(values[key].items())) for key in reversed(values)}
    first, second = check_values(values), check_values(reordered)
    assert first.section_sha256("grid", "score") == second.section_sha256("score", "grid")


def test_a_hash_changes_with_its_sections_alone() -> None:
    first, second = check_values(VALUES), check_values(changed(**{"evaluate.batch_size": 7}))
    assert first.section_sha256("grid", "score") == second.section_sha256("grid", "score")
    assert first.section_sha256("evaluate") != second.section_sha256("evaluate")
    assert first.section_sha256("score") != first.section_sha256("recover")
    assert first.section_sha256("methods.practise") != first.section_sha256("methods.bp_blocks")


def test_the_schema_takes_the_committed_file_and_refuses_what_we_refuse() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert validator.is_valid(VALUES)
    for changes in ({"grid.seed": [1]}, {"grid.seeds": [1, 1]}, {"device.name": "gpu"}, {"teacher": ...}):
        assert not validator.is_valid(changed(**changes))


def test_the_schema_holds_no_defaults_that_would_change_a_configuration() -> None:
    assert '"default": null' not in json.dumps(json_schema())


@pytest.mark.parametrize("params_file", FILES)
def test_the_written_schema_is_one_and_takes_every_params_file(params_file: str, tmp_path: Path) -> None:
    schema(out=tmp_path / "params.schema.yaml")
    written = yaml.safe_load((tmp_path / "params.schema.yaml").read_text())
    assert written == json_schema()
    jsonschema.Draft202012Validator.check_schema(written)
    jsonschema.validate(yaml.safe_load((ROOT / params_file).read_text()), written)


@pytest.mark.parametrize(
    ("section", "key", "registry"),
    [
        ("ImagesParams", "source", "practise.images:OPENERS"),
        ("NetworkParams", "library", "practise.networks.libraries:LIBRARIES"),
        ("MethodParams", "criterion", "practise.scoring.registry:CRITERIA"),
        ("RecoverParams", "start", "practise.recovery.start:BEGIN"),
        ("MethodParams", "loss", "practise.recovery.losses:COMPARE"),
    ],
)
def test_every_name_that_is_allowed_is_carried_out(section: str, key: str, registry: str) -> None:
    module, variable = registry.split(":")
    allowed = json_schema()["$defs"][section]["properties"][key]["enum"]
    assert set(allowed) == set(getattr(pytest.importorskip(module), variable))


def test_every_key_is_explained() -> None:
    schema = json_schema()
    for name, section in {"Params": schema, **schema["$defs"]}.items():
        assert section["description"], name
        for key, described in section["properties"].items():
            assert "description" in described or "$ref" in described, f"{name}.{key}"


def test_every_line_of_the_committed_file_says_what_it_is() -> None:
    lines = list(filter(None, (ROOT / "params.yaml").read_text().splitlines()))
    explained = {line.strip().partition(":")[0] for line in lines if "#" in line}
    explained |= {"mimic", "cross_entropy", "distil", "criteria"}  # by the line above them
    # a section or an entry has no value of its own, and is explained by what is in it
    valued = [line for line in lines if "#" not in line and line.strip().partition(":")[2]]
    bare = [line for line in valued if line.strip().partition(":")[0] not in explained]
    assert bare == []


def test_plain_words_mean_what_dvc_reads(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    words = "2e-05 1e-5 5.e-05 -1.5E7 .5 0.1 7 -3 010 0o10 0x1F true False null ~ off yes 20% .inf text 1.2.3"
    path = tmp_path / "params.yaml"
    path.write_text(f"list: [{', '.join(words.split())}]\nempty:\nquoted: '2e-05'\n", encoding="utf-8-sig")
    found = read_yaml(path)
    assert found == YAML(typ="safe", pure=True).load(path)
    assert found["list"][0] == 2e-05 and found["list"][8] == 10 and found["list"][15] == "off"
