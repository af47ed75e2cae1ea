"""The sections `networks` and `teacher` of a params file: networks, and the fit of a head over one."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from practise.schema import Count, List, Name, NotNegative, Plain, Section, ShareOrAll, Text, setting

LibraryName = Literal["cifar", "timm", "torchvision"]
PACKAGE = "package:"
"""What stands before the name of an installed package that brings weights."""
FromZeroToOne = Annotated[float, Field(ge=0, le=1)]
Mean = Annotated[tuple[FromZeroToOne, FromZeroToOne, FromZeroToOne], Strict(False)]
Std = Annotated[tuple[ShareOrAll, ShareOrAll, ShareOrAll], Strict(False)]
NO_OPTIONS = (
    *("checkpoint_path", "features_only", "in_chans", "model_name", "name", "num_classes", "pretrained"),
    *("pretrained_cfg", "pretrained_cfg_overlay", "progress", "weights"),
)
"""Arguments of the libraries' builders that other settings decide, or that give no classifier of RGB."""


class NetworkParams(Section):
    """A trained network."""

    library: LibraryName = Field(description="The library whose model builder is used.")
    architecture: Text = Field(description="The library's name of the network.")
    weights: Text = Field(
        description="own: the library's own; package:NAME: those in an installed package; "
        "else a path to a .safetensors file, the index of several, or a state dict (.pth, .pt, .th); #KEY at "
        "its end chooses among several sets of weights in it."
    )
    image_size: Count | None = Field(
        description="Side of the square input in pixels; null: the network's own."
    )
    head: Name | None = Field(
        description="Images on whose training split a linear head is fitted; null: the network's classifier."
    )
    mean: Mean | None = Field(
        None,
        description="What is subtracted from each channel, of values from 0 to 1; null: as the library says.",
    )
    std: Std | None = Field(
        None, description="What the difference is then divided by; null: as the library says."
    )
    options: dict[Text, Plain] | None = Field(
        None, description="Further arguments of the library's builder, such as embed_dim; null: none."
    )
    keep_blocks: List[Text] | None = Field(
        None, description="Droppable blocks that are never dropped, by their names in the network."
    )


class TeacherParams(Section):
    """The fit of a linear head."""

    l2: NotNegative = setting(0.1, "Strength of the L2 penalty on the head's weights.")
