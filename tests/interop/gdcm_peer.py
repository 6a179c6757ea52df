"""GDCM's own SCU as a program: `gdcm_peer.py OPERATION '{"port": …, "calling": …, "called": …, …}'`.

It prints one JSON object. `gdcmscu`, which is made of the same library, keeps what it found to itself: it aborts
when the association ends (`interop_programs.gdcmscu`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gdcm
from gdcm import UIDs

LEVELS = {level: getattr(gdcm, f"e{level}") for level in ("Patient", "Study", "Series", "Image")}
FIND = {
    "PatientRoot": UIDs.PatientRootQueryRetrieveInformationModelFIND,
    "StudyRoot": UIDs.StudyRootQueryRetrieveInformationModelFIND,
}


def query(asked: dict[str, Any], kind: int) -> Any:
    """`keys` by tag, "0020000d"; an empty value asks for the answer's."""
    keys = gdcm.DataSet()
    for tag, value in asked["keys"].items():
        element = gdcm.DataElement(gdcm.Tag(int(tag[:4], 16), int(tag[4:], 16)))
        padded = value + " " * (len(value) % 2)
        element.SetByteValue(padded, gdcm.VL(len(padded)))
        keys.Insert(element)
    root = getattr(gdcm, f"e{asked['root']}Type")
    return gdcm.CompositeNetworkFunctions.ConstructQuery(root, LEVELS[asked["level"]], keys, kind)


def write(data_set: Any, path: Path) -> None:
    """As a file, for another to read."""
    writer = gdcm.Writer()
    writer.CheckFileMetaInformationOff()
    header = writer.GetFile().GetHeader()
    header.SetDataSetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ImplicitVRLittleEndian))
    writer.GetFile().SetDataSet(data_set)
    writer.SetFileName(str(path))
    if not writer.Write():
        raise OSError("GDCM writes nothing.")


def echo(scu: Any, _asked: dict[str, Any]) -> dict[str, Any]:
    return {"done": scu.SendEcho()}


def store(scu: Any, asked: dict[str, Any]) -> dict[str, Any]:
    return {"done": all(scu.SendStore(path) for path in asked["files"])}


def find(scu: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Each answer becomes a file in the folder `into`."""
    answers = gdcm.DataSetArrayType()
    done = scu.SendFind(query(asked, gdcm.eFind), answers)
    for number, answer in enumerate(answers):
        write(answer, Path(asked["into"]) / f"{number}.dcm")
    return {"done": done}


def contexts(operation: str, asked: dict[str, Any]) -> Any:
    made = gdcm.PresentationContextGenerator()
    if operation == "store":
        names = gdcm.FilenamesType()
        for path in asked["files"]:
            names.append(path)
        made.GenerateFromFilenames(names)
    else:
        made.GenerateFromUID(FIND[asked["root"]] if operation == "find" else UIDs.VerificationSOPClass)
    return made.GetPresentationContexts()


def ask(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    scu = gdcm.ServiceClassUser()
    scu.SetHostname("localhost")
    scu.SetPort(asked["port"])
    scu.SetTimeout(30)
    scu.SetAETitle(asked["calling"])
    scu.SetCalledAETitle(asked["called"])
    initialized = scu.InitializeConnection()
    scu.SetPresentationContexts(contexts(operation, asked))
    if not initialized or not scu.StartAssociation():
        return {"associated": False, "done": False, "released": False}
    found = {"echo": echo, "store": store, "find": find}[operation](scu, asked)
    return {"associated": True, **found, "released": scu.StopAssociation()}


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1], json.loads(sys.argv[2]))))
