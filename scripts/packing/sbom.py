"""The bill of materials, in CycloneDX: the crates that are in the programs, with the checksums of Cargo.lock.

Crates that only build or test are left out, and so are the standard library and what the system brings. Cargo says what is
linked with the features of the whole workspace: it may be a crate too many, never one too few.
"""

import json
import tomllib

from .release import ROOT, TARGET, run


def make(release):
    described = run(["cargo", "metadata", "--locked", f"--filter-platform={TARGET}", "--format-version=1"], cwd=ROOT)
    described = json.loads(described)
    packages = {package["id"]: package for package in described["packages"]}
    root = release.package["id"]
    used = linked(described["resolve"]["nodes"], root)
    sums = checksums()
    others = sorted((packages[one] for one in used if one != root), key=reference)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], sums) | {"type": "application"}},
        "components": [component(package, sums) for package in others],
        "dependencies": [
            {"ref": reference(packages[one]), "dependsOn": sorted(reference(packages[other]) for other in used[one])}
            for one in sorted(used, key=lambda one: reference(packages[one]))
        ],
    }
    return (json.dumps(bill, indent=2) + "\n").encode()


def linked(nodes, root):
    """What each package that ends up in the programs links, itself included."""
    nodes = {node["id"]: node for node in nodes}
    used, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package not in used:
            used[package] = [
                dependency["pkg"]
                for dependency in nodes[package]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            ]
            waiting += used[package]
    return used


def component(package, sums):
    described = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package["license"]:
        # A slash is how old manifests write OR.
        described["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := sums.get((package["name"], package["version"])):
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return described


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def checksums():
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(one["name"], one["version"]): one["checksum"] for one in locked if "checksum" in one}
