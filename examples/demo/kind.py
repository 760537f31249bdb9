"""The demo where a container engine answers and kind is installed. Unproven: it needs images from elsewhere.

The Hub with the demo's models runs there as a pod; the engine is upstream's own image, which kind's node pulls. With
a stand-in for kind itself, all but the pods is tried on a control plane (tests/apiserver/test_demo_kind.py).
"""

from collections.abc import Mapping

from examples.demo.foreign import bring_up
from examples.demo.screen import heading, show
from examples.demo.steps import DEMO_FOLDER, REACH, how_to_go_on, look, serve, shared_machine_values
from tests.cluster import KindCluster


def cluster() -> KindCluster:
    """Return the demo's cluster; entering makes it, or finds it again."""
    return KindCluster("demo", kept=DEMO_FOLDER)


def up(environ: Mapping[str, str], model: str | None) -> None:
    """Bring the demo up in kind and show it; what is there already is brought up to date."""
    heading("A Kubernetes cluster in a container, by kind")
    with cluster() as made:
        bring_up(made, environ, model, values=shared_machine_values())
        name = serve(made, model)
        look(made)
        how_to_go_on(name, reach=REACH)


def down() -> None:
    """Take the cluster away with all that is in it."""
    cluster().delete()
    show("the demo is gone, with its cluster")
