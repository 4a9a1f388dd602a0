"""What is rehearsed stands in no process's arguments, environment or open files."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import argparse, json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from chaos.commands.concealed import add_descriptor, conceal

parser = argparse.ArgumentParser()
parser.add_argument("command")
parser.add_argument("experiments", nargs="*")
parser.add_argument("--policy", action="append")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--cap", type=float)
parser.add_argument("--all", action="store_true")
add_descriptor(parser)
args = parser.parse_args()
args.run = print
given = conceal(args)
print(json.dumps({{
    "given": vars(given),
    "arguments": Path("/proc/self/cmdline").read_bytes().decode().split("\\0"),
    "environment": Path("/proc/self/environ").read_bytes().decode(errors="replace"),
    "files": [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.exists()],
    "stdin": sys.stdin.read(),
}}))
"""


def said_by(tmp_path: Path, *arguments: str) -> dict[str, object]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(root=str(ROOT)))
    done = subprocess.run(
        [sys.executable, str(program), *arguments],
        input=b"still there", stdout=subprocess.PIPE, check=True, timeout=20,
    )  # fmt: skip
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_what_was_asked_arrives_and_is_not_to_be_seen(tmp_path: Path) -> None:
    told = said_by(
        tmp_path, "drill", "kill-payments", "bad-deploy", "--policy", "swarm", "--policy", "off",
        "--seed", "41", "--cap", "7.5",
    )  # fmt: skip

    assert told["given"] == {
        "command": "drill",
        "experiments": ["kill-payments", "bad-deploy"],
        "policy": ["swarm", "off"],
        "seed": 41,
        "cap": 7.5,
        "all": False,
    }
    shown = f"{told['arguments']} {told['environment']} {told['files']}"
    assert "'drill', '--concealed'" in shown
    for secret in ("kill-payments", "bad-deploy", "--policy", "--seed", "--cap"):
        assert secret not in shown


def test_standard_input_is_left_for_who_reads_it(tmp_path: Path) -> None:
    assert said_by(tmp_path, "drill", "--all")["stdin"] == "still there"
