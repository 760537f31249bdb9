"""Settings of libraries that read them when they are imported, before any test module does."""

import os

# Else huggingface_hub's first call asks its own site which agent it runs under.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
