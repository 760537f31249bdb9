"""The one place that imports ``huggingface_hub`` and the HTTP library that it brings.

``huggingface_hub`` reads its environment when it is imported, so what we rely on is set here
first: no telemetry (it costs a request to another route), never a token that happens to lie on the
machine, no progress bars.
"""

import logging
import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import httpx2
from huggingface_hub import hf_hub_url
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import (
    build_hf_headers,
    fix_hf_endpoint_in_url,
    get_session,
    parse_ratelimit_headers,
    validate_repo_id,
)

# Below WARNING they log every address, and the signed addresses of a CDN are credentials.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

__all__ = [
    "HFValidationError",
    "OfflineModeIsEnabled",
    "build_hf_headers",
    "fix_hf_endpoint_in_url",
    "get_session",
    "hf_hub_url",
    "httpx2",
    "parse_ratelimit_headers",
    "validate_repo_id",
]
