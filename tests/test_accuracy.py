"""Accuracy counts every image once, in percent, and says nothing where it would mean nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from made_images import make_folder, make_params
from sklearn.metrics import top_k_accuracy_score
from torch import Tensor, nn

from practise.errors import FileError, ImageError, NetworkError
from practise.evaluation.accuracy import Accuracy, check_classes, evaluate_accuracy
from practise.evaluation.logits import read_logits, write_logits
from practise.images import open_source
from practise.images.loading import load_images
from practise.images.manifest import Listing, write_listing
from practise.images.reading import hash_images
from practise.networks.building import Preprocessing
from practise.networks.teacher import Teacher, save_teacher

CPU = torch.device("cpu")


class Lookup(nn.Module):
    """Gives the logits that each image's first pixel points to."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits[images[:, 0, 0, 0].long()]


def batches(labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    images = torch.arange(len(labels)).float()[:, None, None, None].expand(-1, 3, 2, 2)
    yield from zip(images.split(size), labels.split(size), strict=True)


@pytest.mark.parametrize("num_classes", [2, 4, 5, 6, 40])
@pytest.mark.parametrize("batch_size", [1, 7, 23, 64])
def test_accuracy_is_scikit_learns(num_classes: int, batch_size: int) -> None:
    generator = torch.Generator().manual_seed(num_classes)
    logits = torch.randn(23, num_classes, generator=generator)
    labels = torch.randint(num_classes, (23,), generator=generator)
    found = evaluate_accuracy(Lookup(logits), batches(labels, batch_size), CPU)
    classes = np.arange(num_classes)
    scores = logits[:, 1] if num_classes == 2 else logits
    assert found.num_images == 23
    assert found.top1 == pytest.approx(100 * float((logits.argmax(1) == labels).double().mean()))
    if num_classes < 6:
        assert found.top5 is None
    else:
        assert found.top5 == pytest.approx(100 * top_k_accuracy_score(labels, scores, k=5, labels=classes))


def test_a_network_in_training_mode_is_measured_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images, labels = torch.randn(6, 3, 5, 5), torch.arange(6) % 4
    evaluate_accuracy(network, [(images, labels)], CPU)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not network.training


def test_logits_that_are_no_numbers_are_refused() -> None:
    logits = torch.zeros(4, 3)
    logits[2, 1] = torch.nan
    with pytest.raises(NetworkError) as error:
        evaluate_accuracy(Lookup(logits), batches(torch.zeros(4).long(), 2), CPU)
    assert str(error.value) == (
        "Lookup gives logits that are not finite; its weights are damaged or its recovery diverged "
        "(recover.lr)"
    )


def test_no_images_have_no_accuracy() -> None:
    with pytest.raises(ImageError) as error:
        evaluate_accuracy(Lookup(torch.zeros(1, 2)), [], CPU)
    assert str(error.value) == "there are no images to measure accuracy on"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_counts_as_the_cpu_does() -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_resnet").eval()
    images = torch.randn(64, 3, 64, 64)
    labels = network(images).argmax(1)
    assert evaluate_accuracy(network, [(images, labels)], CPU) == Accuracy(100.0, 100.0, 64)
    assert evaluate_accuracy(network, [(images, labels)], torch.device("cuda")).top5 == 100.0


def test_classes_must_mean_the_same() -> None:
    where = "params.yaml: networks.mine on images.photos"
    check_classes(("cat", "dog"), ("cat", "dog"), where)
    check_classes(("0", "1"), ("cat", "dog"), where)
    with pytest.raises(NetworkError) as error:
        check_classes(("cat", "dog"), ("cat", "dog", "owl"), where)
    assert str(error.value) == f"{where}: the network has 2 classes, the images have 3"
    with pytest.raises(NetworkError) as error:
        check_classes(("cat", "dog"), ("cat", "owl"), where)
    assert str(error.value) == (
        f"{where}: the network's classes are not those of the images; the first that differ are 'dog' and "
        "'owl'"
    )


def test_the_stage_measures_what_one_whole_pass_gives(tmp_path: Path) -> None:
    original_stage = pytest.importorskip("practise.stages.original")
    from practise.files import read_result

    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3).eval()
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear", 1.0)
    card = {"library": "timm", "architecture": "test_resnet"}
    teacher = Teacher(network, preprocessing, ("cat", "dog", "owl"), card)
    save_teacher(teacher, tmp_path / "net.safetensors", tmp_path / "net.json", {})
    spec = make_folder(tmp_path / "data", per_class=7)
    params = make_params(
        images={"elpv": {"source": "elpv"}, "photos": spec.model_dump()}, evaluate={"batch_size": 4}
    )
    source = open_source("photos", spec)
    evaluation = hash_images(source.root, source.evaluation)
    write_listing(tmp_path / "listing.json", Listing("photos", source.classes, 21, evaluation), {})
    files = {"teacher": tmp_path / "net.safetensors", "listing": tmp_path / "listing.json"}
    original_stage.run(
        params,
        network="efficientnet_lite0",
        images="photos",
        out=tmp_path / "out.json",
        logits=tmp_path / "logits.safetensors",
        **files,
    )
    result = read_result(tmp_path / "out.json", "accuracy")
    with torch.no_grad():
        said = network(load_images(source.root, evaluation, preprocessing))
    logits, labels = read_logits(tmp_path / "logits.safetensors")
    assert torch.allclose(logits, said, atol=1e-5)
    assert labels.tolist() == [item.label for item in evaluation]
    right = said.argmax(1)
    expected = sum(int(right[index]) == item.label for index, item in enumerate(evaluation))
    assert result["top1"] == pytest.approx(100 * expected / 21)
    assert (result["top5"], result["num_images"]) == (None, 21)
    assert result["params"] == sum(parameter.numel() for parameter in network.parameters())
    assert set(result) == {"top1", "top5", "num_images", "gmacs", "params"}


def test_logits_that_are_missing_or_damaged_are_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "logits.safetensors"
    with pytest.raises(FileError) as error:
        read_logits(path)
    assert str(error.value) == f"{path}: no such file, should be logits that `practise original` wrote"
    write_logits(path, torch.zeros(2, 3), torch.zeros(2).long())
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FileError) as error:
        read_logits(path)
    assert str(error.value) == f"{path}: is damaged, should be logits that `practise original` wrote"
