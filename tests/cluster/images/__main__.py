"""``python -m tests.cluster.images build operator|vllm-cpu|all``."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.images import operator_image, vllm_cpu_image
from tests.cluster.images.oci import unpacked_bytes

CHECKOUT = Path(__file__).parents[3]
IMAGES: dict[str, Callable[[], Path]] = {
    "operator": lambda: operator_image(CHECKOUT),
    "vllm-cpu": vllm_cpu_image,
}


def main(arguments: Sequence[str]) -> int:
    """Build the images named and print where their archives are; 1 with the reason when one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build images that are not in the cache, and print their archives")
    build.add_argument("image", choices=[*IMAGES, "all"])
    wanted = parser.parse_args(arguments).image
    try:
        for name in IMAGES if wanted == "all" else [wanted]:
            started = time.monotonic()
            archive = IMAGES[name]()
            size_mb, seconds = unpacked_bytes(archive) / 1e6, time.monotonic() - started
            print(f"{name}: {archive} ({size_mb:.0f} MB unpacked, {seconds:.0f} s)")
    except ClusterError as error:
        print(f"genmodel cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
