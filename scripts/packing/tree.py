"""The files of an installation, as they lie below `/usr`, and the archive of them."""

import gzip
import re
import tarfile

from .release import PROGRAMS, ROOT, run

DOCUMENTS = ["README.md", "LICENSE-APACHE", "LICENSE-MIT"]
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
        place(manual / f"aprove-{command}.1.gz", packed(run([aprove, "man", command])))
    # The program of this name is the subcommand on its own.
    place(manual / "verify.1.gz", packed(".so man1/aprove-verify.1\n"))
    documents = folder / "share" / "doc" / "aprove"
    linked = re.findall(r"\]\(([\w./-]+\.md)\)", (ROOT / "README.md").read_text())
    for name in sorted({*DOCUMENTS, *linked}):
        place(documents / name, (ROOT / name).read_bytes())
    for page in sorted((ROOT / "docs").glob("*.md")):
        place(documents / "docs" / page.name, page.read_bytes())
    place(documents / "sbom.cdx.json", bill)


def subcommands(aprove):
    """The subcommands that the program lists."""
    listed = run([aprove, "--help"]).split("\nCommands:\n")[1].split("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    return [name for name in names if name != "help"]


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
