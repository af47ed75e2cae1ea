"""The section `device` of a params file: what computes."""

from typing import Literal

from pydantic import Field

from practise.schema import Count, Section

DeviceName = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "fp32", "bf16"]
"""A number format; auto: bf16 where the device computes in it, else fp32."""


class DeviceParams(Section):
    """What computes."""

    name: DeviceName = Field(title="device", description="auto takes the GPU where there is one.")
    threads: Count = Field(description="Number of CPU threads that torch uses.")
