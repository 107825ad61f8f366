"""The package for Debian and its relatives: the files of an installation, and what dpkg wants to know of them."""

import email.utils
import hashlib
import shutil

from .release import run
from .tree import packed, place

MAINTAINER = "The authors of aprove <aprove@localhost>"


def package(release, tree, out, scratch):
    root = scratch / "debian"
    shutil.copytree(tree, root / "usr")
    # Where Debian's zsh looks for those of packages.
    zsh = root / "usr" / "share" / "zsh"
    (zsh / "site-functions").rename(zsh / "vendor-completions")
    documents = root / "usr" / "share" / "doc" / "aprove"
    place(documents / "copyright", copyright(documents))
    place(documents / "changelog.gz", packed(changelog(release)))
    # There is no address for letters: SECURITY.md says how to report.
    overrides = [f"aprove: bogus-mail-host{where}\n" for where in ("", "-in-debian-changelog")]
    place(root / "usr" / "share" / "lintian" / "overrides" / "aprove", "".join(overrides).encode())
    files = sorted(path for path in root.rglob("*") if path.is_file())
    sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)
    size = sum(path.stat().st_size for path in files)
    place(root / "DEBIAN" / "md5sums", sums.encode())
    place(root / "DEBIAN" / "control", control(release, size).encode())
    # Whatever the umask: an archive for everybody.
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    path = out / f"aprove_{release.version}_amd64.deb"
    options = ["--root-owner-group", "-Zxz", "-z2"]
    # It gives everything this time, and sorts.
    run(["dpkg-deb", *options, "--build", root, path], env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(release.time)})
    return path


def control(release, size):
    return f"""\
Package: aprove
Version: {release.version}
Architecture: amd64
Maintainer: {MAINTAINER}
Installed-Size: {(size + 1023) // 1024}
Depends: libc6 (>= {release.glibc[0]}.{release.glibc[1]}), libgcc-s1 (>= 4.2)
Suggests: libcuda1
Section: science
Priority: optional
Description: {release.package["description"]}
 Compares tensor by tensor, key by key and by running both models, and says
 where and why they differ. Checks single files against their checksums.
"""


def copyright(documents):
    mit = (documents / "LICENSE-MIT").read_text()
    apache = "/usr/share/common-licenses/Apache-2.0"
    return f"Licensed under MIT or Apache-2.0, at your option. The latter is {apache}; the former:\n\n{mit}".encode()


def changelog(release):
    """What Debian wants to see; what has changed is in the changelog of the sources."""
    return f"""\
aprove ({release.version}) unstable; urgency=medium

  * A release: CHANGELOG.md of the sources has what is new.

 -- {MAINTAINER}  {email.utils.formatdate(release.time)}
"""
