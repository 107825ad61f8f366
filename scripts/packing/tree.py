"""The files of an installation, as they lie below `/usr`, and the archive of them."""

import gzip
import os
import pathlib
import re
import tarfile

from .release import PROGRAMS, ROOT, run

DOCUMENTS = ["README.md", "LICENSE-APACHE", "LICENSE-MIT", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)[^)\s]*\)")
COMPLETIONS = {
    "bash": "share/bash-completion/completions/{}",
    "fish": "share/fish/vendor_completions.d/{}.fish",
    "zsh": "share/zsh/site-functions/_{}",
}


def make(release, bill, folder):
    """Lays programs, manual pages, completions, documents and the bill of materials into a folder."""
    for program in PROGRAMS:
        place(folder / "bin" / program, (release.programs / program).read_bytes(), 0o755)
    aprove = release.programs / "aprove"
    for shell, path in COMPLETIONS.items():
        for program in PROGRAMS:
            place(folder / path.format(program), run([aprove, "completions", shell, program]).encode())
    manual = folder / "share" / "man" / "man1"
    place(manual / "aprove.1.gz", packed(run([aprove, "man"])))
    for command in subcommands(aprove):
        page = "-".join(command)
        place(manual / f"aprove-{page}.1.gz", packed(run([aprove, "man", page])))
    # The program of this name is the subcommand on its own.
    place(manual / "verify.1.gz", packed(".so man1/aprove-verify.1\n"))
    documents = folder / "share" / "doc" / "aprove"
    for name, content in installed_documents().items():
        place(documents / name, content)
    place(documents / "sbom.cdx.json", bill)


def installed_documents():
    """The documents and, with all that these link to, what they link to. A link to source code, which is not installed, is its text."""
    found = {}
    waiting = list(DOCUMENTS)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        content = (ROOT / name).read_bytes()
        if name.endswith(".md"):
            text, linked = with_links(pathlib.PurePath(name).parent, content.decode())
            content = text.encode()
            waiting += linked
        found[name] = content
    return dict(sorted(found.items()))


def with_links(folder, text):
    """A page of a folder without links to source code, and the files that the others lead to."""
    linked = []

    def link(match):
        if "://" in match[2]:
            return match[0]
        target = ROOT / os.path.normpath(folder / match[2])
        files = [path for path in sorted(target.iterdir()) if path.is_file()] if target.is_dir() else [target]
        if any(path.suffix == ".rs" for path in files):
            return match[1]
        linked.extend(path.relative_to(ROOT).as_posix() for path in files)
        return match[0]

    return LINK.sub(link, text), linked


def subcommands(aprove, *above):
    """The subcommands that the program lists, and those below them."""
    _, _, listed = run([aprove, *above, "--help"]).partition("\nCommands:\n")
    names = [line.split()[0] for line in listed.split("\n\n")[0].splitlines() if line.startswith("  ") and line[2] != " "]
    for name in names:
        if name != "help":
            yield (*above, name)
            yield from subcommands(aprove, *above, name)


def archive(release, tree, out):
    """Packs a tree: sorted, owned by nobody in particular, all of one time."""

    def plain(member):
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = release.time
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    path = out / f"{release.name}.tar.gz"
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            # In the order of their names.
            tar.add(tree, release.name, filter=plain)
    return path


def place(path, content, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def packed(text):
    return gzip.compress(text.encode(), 9, mtime=0)
