"""The smallest Debian that runs Python, as a tar: the base of both images."""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.commands import debian_program, run
from tests.cluster.prerequisites import install_packages

SUITE = "bookworm"
ALWAYS = ("ca-certificates", "python3")
ENGINE_PACKAGES = ("libgcc-s1", "libgomp1", "libnuma1", "libstdc++6")
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
# Merges /usr before the first package is installed; otherwise Debian does it by usrmerge, which needs all of Perl.
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCE_DATE_EPOCH = "1704067200"
"""The time of every file, so that the same packages give the same tar."""
USER_ID = 10001


def debian_rootfs(extra: Sequence[str] = ()) -> Path:
    """Return a tar with Debian's root file system, Python and these packages, made by mmdebstrap if not cached.

    Takes 20 to 60 s the first time. ClusterError where mmdebstrap is missing and cannot be installed.
    """
    packages = sorted({*ALWAYS, *extra})
    key = content_key(SUITE, SOURCE_DATE_EPOCH, str(USER_ID), *packages, *LEFT_OUT, MERGED_USR, *_hooks())
    folder = built_once(
        cache_folder() / "rootfs" / key,
        what="making the images' base",
        why=f"Debian {SUITE} with {', '.join(packages)}",
        keep=4,
        build=lambda folder: _make(folder / "rootfs.tar", packages),
    )
    return folder / "rootfs.tar"


def _make(tar: Path, packages: Sequence[str]) -> None:
    if not KEYRING.exists():
        install_packages(["debian-archive-keyring"])
    argv: list[str | Path] = [debian_program("mmdebstrap", package="mmdebstrap"), "--quiet", "--variant=essential"]
    argv += [f"--include={','.join(packages)}", "--aptopt=APT::Install-Recommends false", f"--hook-dir={MERGED_USR}"]
    argv += [f"--dpkgopt=path-exclude={one}" for one in LEFT_OUT]
    argv += [f"--customize-hook={hook}" for hook in _hooks()]
    run([*argv, SUITE, tar], what="mmdebstrap", env={"SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH})


def _hooks() -> list[str]:
    return [
        # The entry lets programs ask for their user's name; the user owns nothing.
        f'echo "genmodel:x:{USER_ID}:{USER_ID}::/nonexistent:/usr/sbin/nologin" >> "$1/etc/passwd"',
        f'echo "genmodel:x:{USER_ID}:" >> "$1/etc/group"',
        # An image says nothing about the machine that made it.
        'rm -f "$1/etc/apt/sources.list" "$1/etc/hostname" "$1/etc/resolv.conf"',
        'rm -rf "$1/var/lib/apt/lists" "$1/var/cache" "$1/var/log" && mkdir -p "$1/var/cache" "$1/var/log"',
        'chroot "$1" python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11 || true',
    ]
