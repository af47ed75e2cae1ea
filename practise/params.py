"""The schema of `params.yaml`: what every key means and which values are allowed.

Every key that shapes a result stands in the file, so that both engines see it change; the only optional keys
are those whose absence means "none". A new key is one annotated field here and one commented line in
`params.yaml`. `practise.problems` turns what is wrong with a file into sentences.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

# The names that may stand in a params file. A new criterion, source, … is one word here and one entry in the
# registry of the module that carries it out.
Source = Literal["elpv", "folder", "photographs", "synthesized", "unlabelled"]
Library = Literal["cifar", "timm", "torchvision"]
BlockCriterion = Literal[
    "random",
    "first_blocks",
    "latency",
    "feature_change",
    "output_divergence",
    "recoverability",
]
Criterion = Literal[BlockCriterion, "l1_filters"]
Match = Literal["latency", "macs"]
Search = Literal["lowest", "knapsack", "progressive"]
Start = Literal["weights", "adaptors", "fskd", "cd", "cd_adam"]
Loss = Literal["mimic", "cross_entropy", "distil"]
BatchNorm = Literal["frozen", "adapted", "train"]
Preset = Literal["official", "default"]
DeviceName = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "fp32", "bf16"]

Item = TypeVar("Item")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
"""A name that becomes part of paths and flags. No dots: DVC reads `networks.a.b` as a key inside a key."""
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Steps = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0)]


def _whole_from_one_on(target: float) -> float:
    if target < 1:
        return target
    if target != int(target):
        raise PydanticCustomError(
            "not_whole", "should be below 1 (a latency reduction) or whole (a number of blocks)"
        )
    return int(target)


Target = Annotated[float, Field(gt=0), AfterValidator(_whole_from_one_on)]
"""What a choice of blocks has to reach: below 1 a latency reduction, from 1 on a number of blocks."""
Share = Annotated[float, Field(gt=0, lt=1)]
PartOrAll = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
List = Annotated[
    tuple[Item, ...], Strict(False), Field(min_length=1, json_schema_extra={"uniqueItems": True})
]


class Section(BaseModel):
    """A part of the params file: frozen, no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ProfileParams(Section):
    """Which params file this is."""

    name: Name = Field(description="The name of the folder under results/ that everything goes to.")
    root: Text = Field(description="The way from this file's folder to the project's root; DVC runs there.")
    file: Text = Field(description="The way from the project's root to this file.")


class DeviceParams(Section):
    """What computes."""

    name: DeviceName = Field(title="device", description="auto takes the GPU where there is one.")
    threads: Count = Field(description="Number of CPU threads that torch uses.")


class DataParams(Section):
    """Where images and weights lie."""

    root: Text = Field(
        description="The folder that relative paths of images, class lists and weights start from; relative "
        "itself, it starts from the project's root."
    )
    holds: Text | None = Field(
        description="What should be in it, said when something is not there; null: nothing is said."
    )

    def find(self, path: str) -> Path:
        """Return where a path of the params file leads."""
        return Path(self.root, path)

    def advice(self, path: str) -> str:
        """Return what to add to a message that a path is missing; empty where the root has no part in it.

        >>> DataParams(root="data", holds="mine/train").advice("mine/train")
        '; set data.root to the folder that holds mine/train'
        """
        if Path(self.root) == Path() or Path(path).is_absolute():
            return ""
        return f"; set data.root to the folder that holds {self.holds or 'it'}"


HERE = DataParams(root=".", holds=None)
"""Relative paths start from the project's root."""


class GridParams(Section):
    """What is run: every combination of these lists is a cell."""

    networks: List[Name] = Field(description="Names of entries of the section networks.")
    images: List[Name] = Field(description="Names of entries of the section images.")
    num_images: List[Count] = Field(description="How many images are handed over.")
    seeds: List[Seed] = Field(description="Seeds of the sample, the scores and the recovery.")
    methods: List[Name] = Field(description="Names of entries of the section methods.")
    targets: List[Target] = Field(
        description="Latency reductions to reach (0.2 is 20 % less); from 1 on, numbers of blocks to drop."
    )


class NetworkParams(Section):
    """A trained network."""

    library: Library = Field(description="The library whose model builder is used.")
    architecture: Text = Field(description="The library's name of the network.")
    weights: Text = Field(
        description="own: the library's own; package:NAME: those in an installed package; "
        "else a path to a .safetensors file or a state dict (.pth, .pt, .th)."
    )
    image_size: Count | None = Field(
        description="Side of the square input in pixels; null: the network's own."
    )
    head: Name | None = Field(
        description="Images on whose training split a linear head is fitted; null: the network's classifier."
    )
    keep_blocks: List[Text] | None = Field(
        None, description="Droppable blocks that are never dropped, by their names in the network."
    )


class ImagesParams(Section):
    """A source of images."""

    source: Source = Field(
        description="elpv: the packaged set; folder: folders of one folder a class. For the section sources "
        "alone: photographs: crops of packaged pictures; unlabelled: any folder of images; synthesized: "
        "those that are made from the network itself."
    )
    train: Text | None = Field(
        None, description="folder and unlabelled: the directory of the training images."
    )
    evaluation: Text | None = Field(None, description="folder: the directory of the evaluation images.")
    class_list: Text | None = Field(
        None,
        description="folder: a text file with one class folder's name a line in index order; imagenet, "
        "also when the key is absent: ImageNet-1k's; cifar10: CIFAR-10's.",
    )


class TeacherParams(Section):
    """The fit of a linear head."""

    l2: NotNegative = Field(description="Strength of the L2 penalty on the head's weights.")


class LatencyParams(Section):
    """How latency is measured."""

    batch_size: Count = Field(description="Images in a forward pass; targets refer to it.")
    also: List[Count] | None = Field(
        description="Further batch sizes at which the recovered network is measured and reported; null: none."
    )
    thinner: List[Share] | None = Field(
        description="Latency reductions for which the share of filters to prune is searched by measuring; "
        "each target of methods that prune filters. null: none, where no method does."
    )
    dtype: Dtype = Field(description="Number format of weights and images.")
    rounds: Count = Field(description="Timed turns of each network, at least.")
    precision: Positive | None = Field(
        description="Standard error of a latency reduction above which more rounds are taken, up to ten "
        "times as many; null: the rounds are all."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(description="Passes of each network before timing starts.")
    max_spread: Positive = Field(description="Relative spread above which a measurement is called unstable.")


class ScoreParams(Section):
    """The default preset of the recoverability score: closed-form adaptors, judged on other images."""

    ridge: Positive = Field(
        description="Pull of the adaptors towards the identity, as a share of the features' mean power."
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        description="Parts of the images; each is judged by adaptors fitted on the others."
    )
    most_images: Count = Field(
        description="Images that are looked at, at most; they pass through the network together."
    )
    memory_mb: Positive = Field(description="What may be kept of the original's activations, in MiB.")
    dtype: Dtype = Field(description="Number format; auto: bf16 where the device computes in it, else fp32.")


class LearningRates(Section):
    """A learning rate for each loss."""

    mimic: Positive = Field(description="For mimicking the features before pooling.")
    cross_entropy: Positive = Field(description="For cross-entropy with the labels.")
    distil: Positive = Field(description="For knowledge distillation: labels and the original's logits.")


class RecoverParams(Section):
    """The default preset of the recovery."""

    steps: Steps = Field(description="Optimisation steps; 0 leaves the network at its start.")
    batch_size: Count = Field(description="Views in a step.")
    views: Count | None = Field(
        description="Random views of each image, drawn once and used again; null draws afresh at every step."
    )
    smallest_crop: PartOrAll = Field(
        description="Share of an image's area that the smallest random crop covers; 1: no crop, flips alone."
    )
    lr: LearningRates = Field(description="Peak learning rate, by loss.")
    weight_decay: NotNegative = Field(description="Decoupled weight decay.")
    batch_norm: BatchNorm = Field(
        description="frozen: the original's statistics; adapted: moved towards those of the images, for "
        "images unlike those of its training; train: each batch's."
    )
    start: Start = Field(
        description="weights: the original's; adaptors: closed-form ones around dropped blocks, fitted as "
        "in score and absorbed; for filters fskd: layers corrected by least squares, or cd: layers refitted "
        "by cross distillation, exactly or (cd_adam) by Adam."
    )
    mixing: bool = Field(description="mimic: blend every view with another by a random share.")
    dtype: Dtype = Field(description="Number format; auto: bf16 where the device computes in it, else fp32.")


class SelectParams(Section):
    """The default preset of the choice of blocks."""

    search: Search = Field(
        description="lowest: the lowest scores per latency; knapsack: the set of least total score; "
        "progressive: after each drop, score again what is left."
    )
    tolerance: NotNegative = Field(
        description="How far below the target a choice may stay; 0.01 is one point."
    )
    overshoot: NotNegative = Field(
        description="How far above the target a choice may go, where another one reaches it with less."
    )
    match: Match = Field(
        description="What the target is a reduction of: the measured latency, or the computed MACs."
    )


class ScoreOverrides(Section):
    """Settings of scoring that a method replaces in its preset; each preset has some of them."""

    ridge: Positive | None = Field(None, description="default: as in score.")
    folds: Annotated[int, Field(ge=2)] | None = Field(None, description="default: as in score.")
    steps: Count | None = Field(None, description="official: SGD steps for each block.")
    lr: Positive | None = Field(None, description="official: SGD's learning rate.")
    batch_size: Count | None = Field(None, description="official: images in a step.")
    most_images: Count | None = Field(None, description="default: as in score.")
    memory_mb: Positive | None = Field(None, description="default: as in score.")
    dtype: Dtype | None = Field(None, description="Number format.")


class SelectOverrides(Section):
    """Settings of selection that a method replaces in its preset."""

    search: Search | None = Field(None, description="As in select.")
    tolerance: NotNegative | None = Field(None, description="As in select.")
    overshoot: NotNegative | None = Field(None, description="As in select.")
    match: Match | None = Field(None, description="As in select.")


class RecoverOverrides(Section):
    """Settings of recovery that a method replaces in its preset."""

    steps: Steps | None = Field(None, description="As in recover.")
    batch_size: Count | None = Field(None, description="Views in a step.")
    views: Count | None = Field(None, description="Random views of each image, drawn once.")
    smallest_crop: PartOrAll | None = Field(None, description="As in recover.")
    lr: Positive | None = Field(None, description="Peak learning rate.")
    weight_decay: NotNegative | None = Field(None, description="Weight decay.")
    dtype: Dtype | None = Field(None, description="Number format.")
    optimizer: Literal["adamw", "sgd"] | None = Field(None, description="The optimizer.")
    schedule: Literal["one_cycle", "steps"] | None = Field(None, description="The learning rate's schedule.")
    batch_norm: BatchNorm | None = Field(None, description="As in recover.")
    start: Start | None = Field(None, description="As in recover.")
    mixing: bool | None = Field(None, description="As in recover.")


class MethodParams(Section):
    """A way to choose blocks and to recover."""

    criterion: Criterion = Field(
        description="How blocks are ranked: random; first_blocks; latency: what saves most; feature_change "
        "and output_divergence: what changes least without recovery; recoverability: the paper's. "
        "l1_filters: no block goes, but the filters of least L1 norm inside them."
    )
    loss: Loss = Field(description="What the recovery minimises.")
    preset: Preset = Field(
        description="official: the authors' settings; default: the sections score, select and recover."
    )
    score: ScoreOverrides | None = Field(None, description="Keys that replace the preset's in scoring.")
    select: SelectOverrides | None = Field(None, description="Keys that replace the preset's in selection.")
    recover: RecoverOverrides | None = Field(None, description="Keys that replace the preset's in recovery.")

    def overrides(self, stage: Literal["score", "select", "recover"]) -> dict[str, Any]:
        """Return the keys, with their values, that this method replaces in a stage's preset."""
        section: Section | None = getattr(self, stage)
        return {} if section is None else section.model_dump(exclude_none=True)


class EvaluateParams(Section):
    """How accuracy is measured."""

    batch_size: Count = Field(description="Images in a forward pass.")


class RankParams(Section):
    """What the criteria that rank blocks are compared on; each list is a part of the grid's."""

    networks: List[Name] = Field(description="Names in grid.networks.")
    images: List[Name] = Field(description="Names in grid.images.")
    num_images: List[Count] = Field(description="Numbers in grid.num_images.")
    seeds: List[Seed] = Field(description="Seeds in grid.seeds.")
    criteria: List[BlockCriterion] = Field(title="criterion", description="The criteria that are compared.")
    counts: List[Count] = Field(description="Numbers of blocks that each criterion has dropped.")
    method: Name = Field(description="The method whose recipes score and recover for all criteria.")


class SynthesizeParams(Section):
    """How images are made from a network."""

    num_images: Count = Field(description="How many images are made from each network.")
    seed: Seed = Field(description="Seed of the start, the classes, the shifts and the flips.")
    steps: Count = Field(description="Optimisation steps of a batch.")
    batch_size: Count = Field(description="Images that are made together.")
    lr: Positive = Field(description="Adam's learning rate on normalised pixels.")
    classification: NotNegative = Field(
        description="Weight of the cross-entropy with a class; 0: batch norm's statistics alone."
    )
    statistics: Positive = Field(description="Weight of the distance of batch norm's statistics.")
    total_variation: NotNegative = Field(description="Weight of the difference of neighbouring pixels.")
    competition: NotNegative = Field(
        description="Weight of the disagreement with the network without sources.blocks: Adaptive "
        "DeepInversion."
    )
    start: Literal["leaves", "noise"] = Field(
        description="What they are made of: leaves (pictures of discs and rectangles) or noise."
    )
    coarse: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="Share of the steps that go first, at half the resolution."
    )
    jitter: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="The farthest random shift, as a share of the side."
    )
    dtype: Dtype = Field(description="Number format; auto: bf16 where the device computes in it, else fp32.")


class SourcesParams(Section):
    """Which images to recover with: real ones, other ones and none, at the same drop."""

    networks: List[Name] = Field(description="Names in grid.networks.")
    images: List[Name] = Field(description="Names of entries of the section images.")
    evaluation: Name = Field(
        description="The name in grid.images whose evaluation images accuracy is measured on."
    )
    num_images: List[Count] = Field(description="How many images are taken of each source.")
    seeds: List[Seed] = Field(description="Seeds of the sample and the recovery.")
    methods: List[Name] = Field(
        description="Names of entries of the section methods, whose loss and recovery are used."
    )
    blocks: List[Text] = Field(description="The blocks that are dropped, the same for all.")


class Params(Section):
    """Everything that a params file says."""

    profile: ProfileParams
    device: DeviceParams
    data: DataParams
    grid: GridParams
    networks: dict[Name, NetworkParams] = Field(description="The networks that the grid may name.")
    images: dict[Name, ImagesParams] = Field(description="The image sources that the grid may name.")
    methods: dict[Name, MethodParams] = Field(description="The methods that the grid may name.")
    teacher: TeacherParams
    latency: LatencyParams
    score: ScoreParams
    select: SelectParams
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
        sections = {}
        for key in sorted(set(keys)):
            value: Any = self.model_dump(mode="json")
            for part in key.split("."):
                value = value[part]
            sections[key] = value
        return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()


def parse_params(values: Any, source: str = "params.yaml") -> Params:
    """Return the typed params of what a params file holds.

    Args:
        values: The nested mappings, lists and values.
        source: What to call the file in messages.

    Raises:
        ParamsError: One line for each problem.
    """
    from practise.problems import check_values

    return check_values(values, source)


def load_params(path: str | Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: The file is missing or not YAML, or one line for each problem that it has.
    """
    from practise.problems import read_yaml

    return parse_params(read_yaml(Path(path)), str(path))


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the params file, for editors and for Snakemake's `validate`.

    It holds no defaults, so that validating a configuration never changes it.
    """
    schema = Params.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_defaults(schema)}


def names_of(literal: Any) -> tuple[str, ...]:
    """Return the names that a `Literal` allows, such as `names_of(Criterion)`."""
    return get_args(literal)


def _without_defaults(node: Any) -> Any:
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key != "default" or isinstance(value, dict)}
        return {key: _without_defaults(value) for key, value in kept.items()}
    return [_without_defaults(item) for item in node] if isinstance(node, list) else node
