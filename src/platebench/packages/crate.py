"""The package as an RO-Crate 1.2, for catalogues: https://w3id.org/ro/crate/1.2."""

from __future__ import annotations

import json
import mimetypes
from typing import Any

from platebench.packages.manifest import DATA, SOURCES, PackageManifest

NAME = "ro-crate-metadata.json"
_VERSION = "https://w3id.org/ro/crate/1.2"


def crate(manifest: PackageManifest) -> str:
    """Return the metadata of a package as JSON-LD.

    The files of the store are one dataset, since only the store's library reads them.
    """
    singles = [file for file in manifest.files if not file.path.startswith(f"{DATA}/")]
    parts: list[dict[str, Any]] = [
        {
            "@id": file.path,
            "@type": "File",
            "name": file.path,
            "contentSize": str(file.size),
            "sha256": file.sha256,
            "encodingFormat": mimetypes.guess_type(file.path)[0] or "application/octet-stream",
        }
        for file in singles
    ]
    parts.append(
        {
            "@id": f"{DATA}/",
            "@type": "Dataset",
            "name": "Images and tables",
            "description": f"Stored by platebench as {manifest.store}.",
        }
    )
    if any(file.path.startswith(f"{SOURCES}/") for file in singles):
        parts.append({"@id": f"{SOURCES}/", "@type": "Dataset", "name": "Files as they were"})
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": manifest.name,
        "description": f"{manifest.images} microscopy images and {len(manifest.tables)} tables.",
        "datePublished": manifest.created,
        "license": manifest.licence or "not stated",
        "hasPart": [{"@id": part["@id"]} for part in parts],
    }
    if manifest.citation:
        root["creditText"] = manifest.citation
    people: list[dict[str, Any]] = []
    if manifest.author:
        people.append({"@id": "#author", "@type": "Person", "name": manifest.author})
        root["author"] = {"@id": "#author"}
    descriptor = {
        "@id": NAME,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": _VERSION},
    }
    graph = [descriptor, root, *people, *parts]
    content = {"@context": f"{_VERSION}/context", "@graph": graph}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
