"""SSM documents of our own, which ministack does not know, and which really run here.

A document's ``aws:runShellScript`` steps are filled in with the parameters of the call and handed to
``AWS-RunShellScript``, which ministack runs inside the instance. Parameters are checked as AWS does
it, because they end up in a shell: one that no ``allowedPattern`` or ``allowedValues`` of the document
fits is refused (AWS Systems Manager user guide, "Data elements and parameters").
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from infra.localaws.seam import Answer, Request, intercept, json_answer

__all__ = ["BadParameters", "Content", "Documents", "install", "read_content", "script_of"]

SHELL = "AWS-RunShellScript"
MAX_DOCUMENTS = 500
MAX_CONTENT = 64 * 1024
"""The size that AWS allows for a document."""
_PLACE = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}")


class Parameter(msgspec.Struct, frozen=True, rename="camel"):
    """What a document asks for."""

    type: str
    default: str | None = None
    allowed_pattern: str | None = None
    allowed_values: tuple[str, ...] = ()


class _Inputs(msgspec.Struct, frozen=True, rename="camel"):
    run_command: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """One step; only shell scripts can be run."""

    name: str
    action: str
    inputs: _Inputs = _Inputs()


class Content(msgspec.Struct, frozen=True, rename="camel"):
    """A command document, schema 2.2."""

    schema_version: str
    main_steps: tuple[Step, ...]
    description: str = ""
    parameters: dict[str, Parameter] = {}


class BadParameters(ValueError):
    """A document cannot be run with these parameters."""


def read_content(text: str) -> Content:
    """A document from JSON.

    Raises:
        ValueError: it is too long, is none, or does what cannot be done here.
    """
    if len(text) > MAX_CONTENT:
        raise ValueError(f"a document has at most {MAX_CONTENT} characters")
    try:
        content = msgspec.json.decode(text.encode(), type=Content)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ValueError(f"not a command document: {error}") from None
    for step in content.main_steps:
        if step.action != "aws:runShellScript":
            raise ValueError(f"step {step.name}: {step.action} cannot be run here")
    return content


def script_of(content: Content, given: Mapping[str, list[str]]) -> list[str]:
    """The lines that a document runs with the parameters ``given``.

    Raises:
        BadParameters: one is unknown, missing, or not allowed.
    """
    unknown = sorted(set(given) - set(content.parameters))
    if unknown:
        raise BadParameters(f"the document has no parameter {', '.join(unknown)}")
    values = {
        name: _checked(name, parameter, given.get(name))
        for name, parameter in content.parameters.items()
    }

    def fill(place: re.Match[str]) -> str:
        if place[1] not in values:
            raise BadParameters(f"the document names {place[1]} and does not declare it")
        return values[place[1]]

    return [
        _PLACE.sub(fill, line) for step in content.main_steps for line in step.inputs.run_command
    ]


def _checked(name: str, parameter: Parameter, given: list[str] | None) -> str:
    if given is None and parameter.default is None:
        raise BadParameters(f"parameter {name} is missing")
    value = given[0] if given else str(parameter.default)
    if parameter.allowed_values and value not in parameter.allowed_values:
        raise BadParameters(f"parameter {name}: {value!r} is not allowed")
    if parameter.allowed_pattern and not re.fullmatch(parameter.allowed_pattern, value):
        raise BadParameters(f"parameter {name}: {value!r} does not fit its pattern")
    return value


class Documents:
    """The documents of one emulator, and the answers to questions about them."""

    def __init__(self) -> None:
        self._contents: dict[str, tuple[Content, str]] = {}

    async def answer(self, request: Request) -> Answer | None:
        """The answer to a request that is about our documents; None for every other one."""
        action = request.action
        if action == "ListDocuments":
            names = [{"Name": name} for name in sorted(self._contents)]
            return json_answer(200, {"DocumentIdentifiers": names})
        if action not in {"CreateDocument", "DeleteDocument", "GetDocument", "DescribeDocument"}:
            return None
        name = str(request.data.get("Name", request.data.get("name", "")))
        if action == "CreateDocument":
            return self._create(name, str(request.data.get("Content", "")))
        if name not in self._contents:
            return _refusal("InvalidDocument", f"Document {name} does not exist")
        if action == "DeleteDocument":
            del self._contents[name]
            return json_answer(200, {})
        if action == "GetDocument":
            text = self._contents[name][1]
            return json_answer(200, {"Name": name, "Content": text, "DocumentType": "Command"})
        return json_answer(200, {"Document": self._described(name)})

    def rewrite(self, request: Request) -> Request | Answer:
        """A command that runs a document of ours, as the shell command that it amounts to."""
        name = str(request.data.get("DocumentName", ""))
        if request.action != "SendCommand" or name not in self._contents:
            return request
        given = request.data.get("Parameters") or {}
        try:
            lines = script_of(self._contents[name][0], given)
        except BadParameters as error:
            return _refusal("InvalidParameters", str(error))
        return request.with_data(
            {**request.data, "DocumentName": SHELL, "Parameters": {"commands": lines}}
        )

    def _create(self, name: str, text: str) -> Answer:
        if name in self._contents:
            return _refusal("DocumentAlreadyExists", f"Document {name} exists")
        if len(self._contents) >= MAX_DOCUMENTS:
            return _refusal("DocumentLimitExceeded", f"at most {MAX_DOCUMENTS} documents")
        try:
            self._contents[name] = (read_content(text), text)
        except ValueError as error:
            return _refusal("InvalidDocumentContent", str(error))
        return json_answer(200, {"DocumentDescription": self._described(name)})

    def _described(self, name: str) -> dict[str, Any]:
        content = self._contents[name][0]
        return {
            "Name": name,
            "Status": "Active",
            "DocumentType": "Command",
            "SchemaVersion": content.schema_version,
            "CreatedDate": time.time(),
        }


def _refusal(code: str, message: str) -> Answer:
    return (
        400,
        {"Content-Type": "application/x-amz-json-1.1"},
        json.dumps({"__type": code, "message": message}).encode(),
    )


def install() -> Documents:
    """Let the emulator's SSM know documents."""
    documents = Documents()
    intercept("ssm", documents.answer, documents.rewrite)
    return documents
