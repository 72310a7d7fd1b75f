"""Makes the Python stubs of the public contract from protos/onefold/v1/*.proto (`make protos`).

The stubs are committed, so that an installed client needs no compiler. Paths are relative to the repository's root:
that makes the generated imports absolute (`from protos.onefold.v1 import ...`). With --check nothing is written; the
exit code is 1 if the committed stubs are not what the .proto files give.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = "protos/onefold/v1"


def generate(into: Path) -> dict[str, str]:
    """Runs protoc and returns the text of each stub, by its path relative to the root."""
    protos = sorted(str(path.relative_to(ROOT)) for path in (ROOT / SOURCES).glob("*.proto"))
    outputs = [f"--{kind}_out={into}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}", *outputs, *protos]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("protoc failed: see its messages above (it comes with the dev extra: `make install`)")
    return {str(path.relative_to(into)): path.read_text() for path in sorted(into.rglob("*.py*"))}


def main(arguments: list[str]) -> int:
    """Writes the stubs, or compares them."""
    with tempfile.TemporaryDirectory() as directory:
        made = generate(Path(directory))
    stale = [path for path, text in made.items() if not (ROOT / path).exists() or (ROOT / path).read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path} is not what the .proto files give: run `make protos`")
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).write_text(made[path])
    print(f"{len(made)} stubs, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
