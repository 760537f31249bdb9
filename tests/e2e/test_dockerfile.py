"""The operator's Dockerfile, built by buildah without a network, against the image that is made without a builder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from genmodel_operator import __version__
from tests.cluster.images.builder import Builder, write_context
from tests.cluster.images.operator import CONFIG
from tests.cluster.images.rootfs import USER_ID
from tests.cluster.prerequisites import ensure_commands, is_debian, is_root, missing_packages
from tests.conftest import showing_progress

pytestmark = [pytest.mark.soak, pytest.mark.e2e]
ROOT = Path(__file__).resolve().parents[2]
BUILDAH = {"buildah": "buildah"}


@dataclass(frozen=True, slots=True)
class Built:
    builder: Builder
    image: str
    container: str

    def start(self, *command: str) -> str:
        return self.builder.start(self.container, *command)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Built]:
    if not is_root():
        pytest.skip("a build in a chroot, without a container engine, needs root")
    if missing_packages(BUILDAH) and not is_debian():
        pytest.skip("buildah is not installed, and this system is not Debian or Ubuntu")
    builder = Builder(tmp_path_factory.mktemp("buildah"))
    with showing_progress(pytestconfig):
        ensure_commands(BUILDAH)
        context = write_context(ROOT, builder.folder / "context")
        image = builder.build("operator/Dockerfile", context=context, base=builder.pull_base())
    yield Built(builder, image, builder.container(image))
    builder.remove_all()


@pytest.mark.parametrize("key", ["User", "Entrypoint", "Cmd"])
def test_it_starts_as_the_image_without_a_builder_does(built: Built, key: str) -> None:
    assert built.builder.config(built.image)[key] == CONFIG[key]


def test_it_has_the_environment_and_labels_of_the_image_without_a_builder(built: Built) -> None:
    found = built.builder.config(built.image)
    assert set(CONFIG["Env"]) <= set(found["Env"])
    assert set(CONFIG["Labels"].items()) <= set(found["Labels"].items())  # type: ignore[attr-defined] # it is a dict


def test_the_command_answers(built: Built) -> None:
    assert built.start("genmodel", "version") == f"genmodel {__version__}\n"


PROGRAM = """
import os, pwd, sys
import genmodel_operator.__main__, genmodel_runtime.prepare
writable = [path for path in sys.path if os.access(path, os.W_OK)]
sources = [os.path.join(at, name) for at, _, names in os.walk('/opt/genmodel') for name in names]
compiled = [name for name in sources if name.endswith('.pyc')]
print(os.getuid(), os.getgid(), pwd.getpwuid(os.getuid()).pw_name, writable, len(compiled) > 100)
print(genmodel_operator.__file__)
"""


def test_the_program_runs_as_a_user_who_can_change_nothing_of_it(built: Built) -> None:
    seen, place = built.start("python3", "-c", PROGRAM).splitlines()
    assert seen == f"{USER_ID} {USER_ID} genmodel [] True"
    assert place == "/opt/genmodel/genmodel_operator/__init__.py"


def test_nothing_of_the_build_is_left(built: Built) -> None:
    places = ("/src", "/build", "/wheel", "/dependencies", "/image", "/etc/pip.conf")
    assert built.start("sh", "-c", f"for path in {' '.join(places)}; do test ! -e $path || echo $path; done") == ""
