from pathlib import Path

import pytest

from genmodel_operator.cli.cluster import read_cluster, with_kubeconfig
from genmodel_operator.cli.input import CommandError
from genmodel_operator.settings import Settings


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param(
            {"HOME": "/nowhere"},
            "no cluster to plan for: neither KUBECONFIG nor ~/.kube/config names one; name one, or name nodes with "
            "--gpu or --nodes",
            id="none",
        ),
        pytest.param({"KUBECONFIG": "/nowhere/config"}, "KUBECONFIG=/nowhere/config: there is no such file", id="gone"),
        pytest.param({"KUBECONFIG": "/nowhere/a:/nowhere/b"}, "there is no such file", id="several, all gone"),
    ],
)
async def test_without_cluster_the_ways_out_are_named(environ: dict[str, str], want: str) -> None:
    with pytest.raises(CommandError) as error:
        await read_cluster(Settings(), environ=environ, otherwise="--gpu or --nodes")
    assert error.value.exit_code == 2
    assert want in str(error.value)
    assert str(error.value).endswith("name nodes with --gpu or --nodes")


async def test_one_file_of_several_is_enough(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("{}")
    with pytest.raises(CommandError) as error:
        await read_cluster(Settings(), environ={"KUBECONFIG": f"/nowhere/a:{config}"}, otherwise="--gpu")
    assert "there is no such file" not in str(error.value)


def test_kubectl_s_own_default_is_taken(tmp_path: Path) -> None:
    config = tmp_path / ".kube" / "config"
    assert with_kubeconfig({"HOME": str(tmp_path)}) == {"HOME": str(tmp_path)}
    config.parent.mkdir()
    config.touch()
    assert with_kubeconfig({"HOME": str(tmp_path)})["KUBECONFIG"] == str(config)
    assert with_kubeconfig({"HOME": str(tmp_path), "KUBECONFIG": "mine"})["KUBECONFIG"] == "mine"
