"""pydicom's dictionaries without pydicom: three modules of data, taken from its package one by one.

Importing the package would load its codecs and NumPy too, which costs the server half a second and
some 40 MB that only the rendering process needs.
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from typing import Any


def _module(name: str) -> Any:
    package = find_spec("pydicom")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("pydicom is not installed")
    path = f"{package.submodule_search_locations[0]}/{name}.py"
    spec: ModuleSpec | None = spec_from_file_location(f"leadglass.dicom.registries.{name}", path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"pydicom has no {name}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_tags = _module("_dicom_dict")
DicomDictionary: dict[int, tuple[str, str, str, str, str]] = _tags.DicomDictionary
RepeatersDictionary: dict[str, tuple[str, str, str, str, str]] = _tags.RepeatersDictionary
UID_dictionary: dict[str, tuple[str, str, str, str, str]] = _module("_uid_dict").UID_dictionary
_private = _module("_private_dict")
private_dictionaries: dict[str, dict[str, tuple[str, str, str]]] = _private.private_dictionaries
