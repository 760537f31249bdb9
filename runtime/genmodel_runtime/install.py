"""The runtime travels: ``prepare`` copies this package to where the engine's image finds it."""

import shutil
from pathlib import Path

from genmodel_runtime.volume import volume_errors

PACKAGE = "genmodel_runtime"


def install_runtime(target_dir: Path) -> Path:
    """Copy the package below ``target_dir``, readable by everybody; return the package's folder.

    A reader sees the whole old package or the whole new one, except for the moment between two
    renames. Raises ``VolumeBroken``.
    """
    source, final = Path(__file__).parent, target_dir / PACKAGE
    new, old = (target_dir / f".{PACKAGE}.{part}" for part in ("new", "old"))
    with volume_errors(target_dir):
        target_dir.mkdir(parents=True, exist_ok=True)
        for left_over in (new, old):
            shutil.rmtree(left_over, ignore_errors=True)
        new.mkdir(mode=0o755)
        for module in sorted(source.iterdir()):
            if module.suffix in (".py", ".json") or module.name == "py.typed":
                shutil.copyfile(module, new / module.name)
                (new / module.name).chmod(0o644)
        if final.exists():
            final.replace(old)
        new.replace(final)
        shutil.rmtree(old, ignore_errors=True)
    return final
