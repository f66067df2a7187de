"""The hotel's transfer plan, which is data: plan.yaml beside this module."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

PLAN_FILE = Path(str(resources.files(__package__).joinpath("plan.yaml")))
