"""Command documents are read and filled in as AWS does it, whatever they hold."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.localaws.documents import BadParameters, read_content, script_of
from infra.stacks.documents import DOCUMENTS, UNIT


def document(**changes: object) -> str:
    content = {
        "schemaVersion": "2.2",
        "parameters": {
            "unit": {"type": "String", "allowedPattern": f"^{UNIT}$"},
            "mode": {"type": "String", "default": "slow", "allowedValues": ["slow", "fast"]},
        },
        "mainSteps": [
            {
                "name": "run",
                "action": "aws:runShellScript",
                "inputs": {"runCommand": ["restart '{{ unit }}' {{mode}}"]},
            }
        ],
    }
    return json.dumps(content | changes)


def test_parameters_are_filled_in_and_defaults_taken() -> None:
    content = read_content(document())

    assert script_of(content, {"unit": ["web"]}) == ["restart 'web' slow"]
    assert script_of(content, {"unit": ["web"], "mode": ["fast"]}) == ["restart 'web' fast"]


@pytest.mark.parametrize(
    ("given_parameters", "complaint"),
    [
        ({}, "unit is missing"),
        ({"unit": ["a b"]}, "does not fit"),
        ({"unit": ["web\n"]}, "does not fit"),
        ({"unit": ["web"], "mode": ["odd"]}, "not allowed"),
        ({"unit": ["web"], "more": ["x"]}, "has no parameter more"),
    ],
)
def test_parameters_that_are_not_right_are_refused(
    given_parameters: dict[str, list[str]], complaint: str
) -> None:
    with pytest.raises(BadParameters, match=complaint):
        script_of(read_content(document()), given_parameters)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a command document"),
        ("[]", "not a command document"),
        ("x" * 70_000, "at most 65536"),
        (
            document(mainSteps=[{"name": "x", "action": "aws:runPowerShellScript"}]),
            "cannot be run here",
        ),
    ],
)
def test_a_document_that_is_none_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_content(text)


@given(text=st.text(max_size=200))
def test_any_text_is_a_document_or_one_clear_error(text: str) -> None:
    try:
        content = read_content(text)
    except ValueError as error:
        message = str(error)
    else:
        message = content.schema_version

    assert message


@given(word=st.text(max_size=70))
def test_no_word_that_passes_leaves_its_quotes(word: str) -> None:
    pattern = f"^{UNIT}$"
    if re.fullmatch(pattern, word):
        assert not set(word) & set("'\"`$\\;&|<>(){} \n\t")
        assert not word.startswith("-")
        script = script_of(read_content(document()), {"unit": [word]})
        assert script == [f"restart '{word}' slow"]
    else:
        with pytest.raises(BadParameters):
            script_of(read_content(document()), {"unit": [word]})


def test_our_own_documents_can_be_run() -> None:
    for one in DOCUMENTS:
        for _, _, pattern in one.parameters:
            assert re.fullmatch(pattern, "nginx.service")
