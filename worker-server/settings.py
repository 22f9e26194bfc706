"""The settings, out of the environment. Built at start-up, never at import."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
)

from options import Metadata, Options, OutputFormat, Padding, Position
from runtime import container_limits
from shared.common_settings import CentralAddress, UploadSettings
from shared.contract import MIB
from shared.environment import PositiveNumber
from shared.redis.jobs import RedisAddress

_PARENT_MB = 128  # the worker itself, and what its libraries share
_LEAST_MB = 256
Days = Annotated[float, Field(gt=0, le=36_500)]


def _share(value: object) -> float:
    text = str(value)
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise ValueError("give a share such as 0.2, or 20%: more than nothing, up to 1 or 100%")
    return share


Share = Annotated[float, BeforeValidator(_share)]


class Settings(RedisAddress, CentralAddress, UploadSettings):
    """worker-server's settings; the README's table explains each."""

    worker_name: str | None = None
    hostname: str | None = None
    google_logo: str | None = None
    logo_file: Path | None = None
    logo_position: Position = Options.position
    logo_scale: Share = Options.scale
    logo_padding: str = f"{Options.padding.amount:g}"
    logo_opacity: Share = Options.opacity
    logo_min_image: NonNegativeInt = Options.min_image
    output_format: OutputFormat = Options.output_format
    output_quality: Annotated[int, Field(ge=1, le=100)] | None = Options.output_quality
    metadata: Metadata = Options.metadata
    simulated_latency: str = "0"
    max_total_megapixels: PositiveNumber = Options.max_total_pixels // 1_000_000
    watermark_processes: PositiveInt | None = None
    watermark_timeout_seconds: PositiveNumber = 30
    watermark_memory_mb: PositiveInt = 1024
    upload_timeout_seconds: PositiveNumber = 15
    retry_backoff_seconds: PositiveNumber = 10
    reconcile_seconds: PositiveNumber = 60
    keep_originals_days: Days | None = None
    keep_failed_days: Days | None = None

    @field_validator("simulated_latency")
    @classmethod
    def _number_or_range(cls, text: str) -> str:
        if not re.fullmatch(r"\d+(\.\d+)?(-\d+(\.\d+)?)?", text):
            raise ValueError("give seconds, or a range of them such as 3-8")
        return text

    @field_validator("output_format", mode="before")
    @classmethod
    def _as_people_write_it(cls, text: str) -> str:
        return "jpeg" if text.lower() == "jpg" else text.lower()

    @field_validator("logo_padding")
    @classmethod
    def _pixels_or_percent(cls, text: str) -> str:
        number = re.fullmatch(r"(\d{1,5}(?:\.\d+)?)\s*(px|%)?", text)
        if number is None or (number[2] == "%" and float(number[1]) > 100):
            raise ValueError("give pixels, such as 10 or 10px, or up to 100 percent, such as 2%")
        return text

    @property
    def logo(self) -> str | None:
        """The logo that was asked for, a URL or a path; None for the default."""
        return str(self.logo_file) if self.logo_file else self.google_logo

    @property
    def options(self) -> Options:
        """What a decoder process needs to know."""
        return Options(
            position=self.logo_position,
            scale=self.logo_scale,
            padding=Padding(float(self.logo_padding.rstrip("px% ")), "%" in self.logo_padding),
            opacity=self.logo_opacity,
            min_image=self.logo_min_image,
            output_format=self.output_format,
            output_quality=self.output_quality,
            metadata=self.metadata,
            max_pixels=self.max_pixels,
            max_total_pixels=int(self.max_total_megapixels * 1e6),
        )

    @property
    def simulated_latency_s(self) -> tuple[float, float]:
        """The shortest and the longest wait."""
        bounds = sorted(float(bound) for bound in self.simulated_latency.split("-"))
        return bounds[0], bounds[-1]

    @property
    def memory_mb(self) -> int:
        """A decoder process' limit: less than is asked for where the container has less."""
        available_mb = container_limits.memory_bytes() // MIB - _PARENT_MB
        return min(self.watermark_memory_mb, max(_LEAST_MB, available_mb))

    @property
    def processes(self) -> int:
        """How many images one worker decodes at a time."""
        if self.watermark_processes is not None:
            return self.watermark_processes
        fitting = container_limits.memory_bytes() // (self.memory_mb * MIB)
        return max(1, min(container_limits.usable_cpus(), fitting))
