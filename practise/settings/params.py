"""The schema of a params file: its sections, most of which the rooms declare that read them.

A setting that has a default may be left out of the file. The default is part of the code that stages depend
on, so that both engines see it change. `practise.settings.problems` says what is wrong with a file.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, create_model
from pydantic_core import to_jsonable_python

from practise.evaluation.params import EvaluateParams
from practise.images.params import DataParams, ImagesParams
from practise.latency.params import LatencyParams
from practise.machine.params import DeviceParams
from practise.networks.params import NetworkParams, TeacherParams
from practise.pruning.params import Search, SelectionRecipe
from practise.recovery.params import LossName, RecoverParams, RecoveryRecipe
from practise.schema import Count, List, Name, NumImages, Section, Target, Text, Whole
from practise.scoring.params import BlockCriterionName, CriterionName, RidgeRecipe, SgdRecipe
from practise.synthesis.params import SynthesizeParams

Preset = Literal["official", "default"]


class StudyParams(Section):
    """Which params file this is."""

    name: Name = Field(description="The name of the folder under results/ that everything goes to.")
    root: Text = Field(description="The way from this file's folder to the project's root; DVC runs there.")
    file: Text = Field(description="The way from the project's root to this file.")


class GridParams(Section):
    """What is run: every combination of these lists is a cell."""

    networks: List[Name] = Field(description="Names of entries of the section networks.")
    images: List[Name] = Field(description="Names of entries of the section images.")
    num_images: List[NumImages] = Field(
        description="How many images are handed over; all: every training image."
    )
    seeds: List[Whole] = Field(description="Seeds of the sample, the scores and the recovery.")
    methods: List[Name] = Field(description="Names of entries of the section methods.")
    targets: List[Target] = Field(
        description="Latency reductions to reach (0.2 is 20 % less); from 1 on, numbers of blocks to drop."
    )


class Overrides(Section):
    """Settings that replace the preset's; those that do not stand in the file are not there."""

    model_config = ConfigDict(validate_default=False)


def _overrides(name: str, *recipes: type[Section]) -> type[Overrides]:
    """Return a section in which every setting of the recipes may stand and none has to."""
    fields: dict[str, Any] = {}
    for recipe in recipes:
        for key, field in recipe.model_fields.items():
            kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            fields.setdefault(key, (kind, Field(None, description=field.description)))
    return create_model(name, __base__=Overrides, __doc__=Overrides.__doc__, **fields)


if TYPE_CHECKING:
    ScoreOverrides: TypeAlias = Section
    SelectOverrides: TypeAlias = Section
    RecoverOverrides: TypeAlias = Section
else:
    ScoreOverrides = _overrides("ScoreOverrides", RidgeRecipe, SgdRecipe)
    SelectOverrides = _overrides("SelectOverrides", SelectionRecipe)
    RecoverOverrides = _overrides("RecoverOverrides", RecoveryRecipe)


class MethodParams(Section):
    """A way to choose what goes and to recover."""

    criterion: CriterionName = Field(
        description="How blocks are ranked: random; first_blocks; latency: what saves most; feature_change "
        "and output_divergence: what changes least without recovery; block_influence and concept_masks: what "
        "changes least of what passes through; recoverability: the paper's; combined_recoverability: that, "
        "what is missed of the residual stream, and influence; given: in the order of the key blocks. "
        "l1_filters: no block goes, but the filters of least L1 norm inside them."
    )
    blocks: List[Text] | None = Field(
        None, description="given: the blocks that may go; a target of k blocks drops the first k of them."
    )
    loss: LossName = Field(description="What the recovery minimises.")
    preset: Preset = Field(
        description="official: the authors' settings; default: the sections score, select and recover."
    )
    score: ScoreOverrides | None = Field(None, description="Keys that replace the preset's in scoring.")
    select: SelectOverrides | None = Field(None, description="Keys that replace the preset's in selection.")
    recover: RecoverOverrides | None = Field(None, description="Keys that replace the preset's in recovery.")

    def overrides(self, stage: str) -> dict[str, Any]:
        """Return the keys, with their values, that this method replaces in a stage's preset."""
        section: Section | None = getattr(self, stage)
        return {} if section is None else section.model_dump(exclude_unset=True)


class RankParams(Section):
    """What the criteria that rank blocks are compared on; each list is a part of the grid's."""

    networks: List[Name] = Field(description="Names in grid.networks.")
    images: List[Name] = Field(description="Names in grid.images.")
    num_images: List[NumImages] = Field(description="Numbers in grid.num_images.")
    seeds: List[Whole] = Field(description="Seeds in grid.seeds.")
    criteria: List[BlockCriterionName] = Field(
        title="criterion", description="The criteria that are compared."
    )
    targets: List[Target] = Field(description="Targets in grid.targets, for which each criterion chooses.")
    searches: List[Search] = Field(
        title="search", description="How it chooses, where its scores are weighed against the latency."
    )
    sets: Whole = Field(description="Random sets of two to six blocks, drawn once for all seeds.")
    sets_per_target: Whole = Field(
        description="Random sets that meet each target, which choices should beat."
    )
    most_images: Count | None = Field(description="Evaluation images that are looked at, at most; null: all.")
    method: Name = Field(description="The method whose recipes score and recover for all criteria.")


class SourcesParams(Section):
    """Which images to recover with: real ones, other ones and none, at the same drop."""

    networks: List[Name] = Field(description="Names in grid.networks.")
    images: List[Name] = Field(description="Names of entries of the section images.")
    evaluation: Name = Field(
        description="The name in grid.images whose evaluation images accuracy is measured on."
    )
    num_images: List[NumImages] = Field(
        description="How many images are taken of each source; all: every one."
    )
    seeds: List[Whole] = Field(description="Seeds of the sample and the recovery.")
    methods: List[Name] = Field(
        description="Names of entries of the section methods, whose loss and recovery are used."
    )
    blocks: List[Text] = Field(description="The blocks that are dropped, the same for all.")


class Params(Section):
    """Everything that a params file says."""

    study: StudyParams
    device: DeviceParams
    data: DataParams
    grid: GridParams
    networks: dict[Name, NetworkParams] = Field(description="The networks that the grid may name.")
    images: dict[Name, ImagesParams] = Field(description="The image sources that the grid may name.")
    methods: dict[Name, MethodParams] = Field(description="The methods that the grid may name.")
    teacher: TeacherParams
    latency: LatencyParams
    score: RidgeRecipe
    select: SelectionRecipe
    recover: RecoverParams
    evaluate: EvaluateParams
    rank: RankParams
    synthesize: SynthesizeParams
    sources: SourcesParams

    def section_sha256(self, *keys: str) -> str:
        """Return a hash of parts of the params file, the same for the same values however they are written.

        Args:
            keys: Dotted keys such as `score` or `methods.practise`; their order does not matter.
        """
        sections = {key: self.value(key) for key in set(keys)}
        return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()

    def value(self, key: str) -> Any:
        """Return what stands at a dotted key such as `score` or `methods.practise`, as plain values."""
        found: Any = self
        for part in key.split("."):
            found = found[part] if isinstance(found, dict) else getattr(found, part)
        return to_jsonable_python(found)

    def only(self, keys: Iterable[str]) -> "Params":
        """Return the params with the sections alone that a stage has declared to read, and the study.

        Of networks, images and methods it gets the entries that it has declared.

        Args:
            keys: Dotted keys such as `score`, `methods.practise` or `data.root`.
        """
        kept: dict[str, Any] = {name: Undeclared(name) for name in type(self).model_fields}
        for key in [*keys, "study"]:
            section, _, entry = key.partition(".")
            whole = getattr(self, section)
            if isinstance(whole, dict):
                so_far = kept[section] if isinstance(kept[section], dict) else {}
                kept[section] = {**so_far, **({entry: whole[entry]} if entry else whole)}
            else:
                kept[section] = whole
        return self.model_copy(update=kept)


class Undeclared:
    """A section of the params that a stage does not declare to read, and must not."""

    def __init__(self, section: str) -> None:
        self.section = section

    def __getattr__(self, *key: Any) -> Any:
        if str(*key).startswith("__"):
            raise AttributeError(*key)  # Python itself asks, such as when copying
        raise AssertionError(f"params.{self.section}: is read by a stage that does not declare it")

    __getitem__ = __iter__ = __len__ = __contains__ = __getattr__


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the params file, for editors.

    It holds no values of presets, so that validating a configuration never changes it.
    """
    schema = Params.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_values(schema)}


def _without_values(node: Any) -> Any:
    if isinstance(node, dict):
        properties = {name: _without_values(value) for name, value in node.get("properties", {}).items()}
        rest = {key: value for key, value in node.items() if key not in ("default", "official", "properties")}
        kept = {key: _without_values(value) for key, value in rest.items()}
        return {**kept, "properties": properties} if properties else kept
    return [_without_values(item) for item in node] if isinstance(node, list) else node
