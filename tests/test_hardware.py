"""What this machine is, and what computes on it."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import practise
from practise.errors import DeviceError, FileError, HardwareError
from practise.files import write_result
from practise.machine import hardware
from practise.machine.circumstances import circumstances
from practise.machine.devices import dtype_name, resolve_device, resolve_dtype, training_dtype
from practise.machine.hardware import glance, is_from_elsewhere
from practise.settings.reading import load_params

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
has_gpu = torch.cuda.is_available()


def test_auto_takes_the_gpu_where_there_is_one() -> None:
    assert resolve_device("auto").type == ("cuda" if has_gpu else "cpu")
    assert resolve_device("cpu") == CPU


@pytest.mark.skipif(has_gpu, reason="there is a GPU")
def test_asking_for_a_gpu_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(DeviceError) as error:
        resolve_device("cuda")
    assert str(error.value) == (
        "device.name: 'cuda' is asked for, but torch sees no GPU on this machine; set it to auto or cpu"
    )


def test_an_unknown_device_is_guessed() -> None:
    with pytest.raises(DeviceError) as error:
        resolve_device("gpu")
    assert str(error.value) == (
        "device.name: unknown device 'gpu' (known: auto, cpu, cuda). Did you mean 'cuda'?"
    )


def test_named_formats_are_taken_as_they_are() -> None:
    assert resolve_dtype("fp32", CPU) == torch.float32
    assert resolve_dtype("bf16", CPU) == torch.bfloat16
    assert dtype_name(torch.bfloat16) == "bf16"


def test_an_unknown_format_is_guessed() -> None:
    with pytest.raises(DeviceError) as error:
        resolve_dtype("bfloat16", CPU)
    assert str(error.value) == "unknown dtype 'bfloat16' (known: auto, fp32, bf16). Did you mean 'bf16'?"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs /proc/cpuinfo")
def test_auto_is_bf16_exactly_where_the_processor_has_instructions_for_it() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    expected = torch.bfloat16 if flags & {"avx512_bf16", "amx_bf16"} else torch.float32
    assert resolve_dtype("auto", CPU) == expected


DENSE = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3))
DEPTHWISE = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, groups=4), torch.nn.Conv2d(4, 4, 1))


def test_on_a_processor_depthwise_convolutions_are_trained_in_fp32_unless_told_otherwise() -> None:
    assert training_dtype("auto", DEPTHWISE, CPU) == torch.float32
    assert training_dtype("auto", DENSE, CPU) == resolve_dtype("auto", CPU)
    for network in (DENSE, DEPTHWISE):
        assert training_dtype("bf16", network, CPU) == torch.bfloat16
        assert training_dtype("fp32", network, CPU) == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu, reason="no GPU")
def test_on_a_gpu_depthwise_convolutions_are_trained_as_all_others_are() -> None:
    device = resolve_device("cuda")
    assert training_dtype("auto", DEPTHWISE, device) == resolve_dtype("auto", device)


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu, reason="no GPU")
def test_auto_is_bf16_on_a_gpu_that_computes_in_it() -> None:
    device = resolve_device("cuda")
    is_ampere_or_later = torch.cuda.get_device_capability(device) >= (8, 0)
    assert resolve_dtype("auto", device) == (torch.bfloat16 if is_ampere_or_later else torch.float32)


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu, reason="no GPU")
def test_a_gpu_is_described_with_its_driver() -> None:
    described = hardware.describe()
    assert described["gpu"] == torch.cuda.get_device_name(0)
    assert described["driver"].split(".")[0].isdigit()


def test_the_description_is_of_this_machine_and_stays_the_same() -> None:
    described = hardware.describe()
    assert described == hardware.describe()
    assert described["logical_cores"] == psutil.cpu_count()
    assert described["torch"] == torch.__version__
    assert described["memory_gib"] == round(psutil.virtual_memory().total / 2**30)
    assert described["gpu"] is None or has_gpu
    assert json.loads(json.dumps(described)) == described


def test_a_measurement_of_this_machine_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "hardware.json"
    write_result(path, "hardware", hardware.describe(), {})
    assert hardware.check(path) == hardware.describe()


def test_a_measurement_of_another_machine_is_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "hardware.json"
    here = hardware.describe()
    write_result(path, "hardware", {**here, "cpu": "Abacus 1", "gpu": "Slide Rule"}, {})
    with pytest.raises(HardwareError) as error:
        hardware.check(path)
    assert str(error.value) == (
        f"{path}: describes cpu Abacus 1, gpu Slide Rule, this machine is cpu {here['cpu']}, "
        f"gpu {here['gpu'] or 'none'}: run `practise hardware --out {path}` "
        "(or `dvc repro -f hardware`) to measure again"
    )


def test_a_missing_description_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        hardware.check(tmp_path / "hardware.json")


def test_circumstances_have_one_shape() -> None:
    params = load_params(ROOT / "params.yaml")
    assert circumstances(params, "select", seed=3) == {
        "version": practise.__version__,
        "params_sha256": params.section_sha256("select"),
        "seed": 3,
    }
    assert circumstances(params, "score", device=CPU, dtype="bf16") == {
        "version": practise.__version__,
        "params_sha256": params.section_sha256("score"),
        "torch": torch.__version__,
        "device": "cpu",
        "device_name": hardware.cpu_name(),
        "threads": torch.get_num_threads(),
        "dtype": "bf16",
    }


PREPARED = """
import json, os
from types import SimpleNamespace
from practise.machine.devices import prepare
prepare(SimpleNamespace(name="cpu", threads=3))
import torch
print(json.dumps({
    "threads": torch.get_num_threads(),
    "deterministic": torch.are_deterministic_algorithms_enabled(),
    "fills_memory": torch.utils.deterministic.fill_uninitialized_memory,
    "variables": [os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")],
}))
"""


def test_torch_is_prepared_whatever_the_engine_set() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PREPARED], capture_output=True, env=environment, cwd=ROOT, check=True
    )
    expected: dict[str, Any] = {
        "threads": 3,
        "deterministic": True,
        "fills_memory": False,
        "variables": ["3", "3"],
    }
    assert json.loads(done.stdout) == expected


FAULTS = """
import resource, sys
import torch
from torch import nn
from practise.latency.measuring import measure_latency
if sys.argv[1] == "measured":
    networks = {"one": nn.Conv2d(3, 3, 1)}
    measure_latency(networks, batch_size=1, image_size=8, device=torch.device("cpu"), rounds=2)
def touch():
    torch.empty(2**24).fill_(1)
for _ in range(3):
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept where glibc hands it out")
def test_a_process_that_measures_latency_keeps_the_memory_that_it_frees() -> None:
    """Else the kernel clears all pages of a tensor of 64 MiB again, which takes longer than filling it."""

    def pages_handed_out(when: str) -> int:
        command = [sys.executable, "-c", FAULTS, when]
        return int(subprocess.run(command, capture_output=True, cwd=ROOT, check=True).stdout)

    assert pages_handed_out("measured") < 100 < pages_handed_out("not measured")


def test_results_of_this_machine_are_from_here(tmp_path: Path) -> None:
    write_result(tmp_path / "hardware.json", "hardware", glance(), {})
    assert not is_from_elsewhere(tmp_path / "hardware.json")


def test_results_of_another_machine_are_from_elsewhere(tmp_path: Path) -> None:
    write_result(tmp_path / "hardware.json", "hardware", {**glance(), "cpu": "Difference Engine"}, {})
    assert is_from_elsewhere(tmp_path / "hardware.json")


def test_no_results_are_from_nowhere(tmp_path: Path) -> None:
    assert not is_from_elsewhere(tmp_path / "hardware.json")
