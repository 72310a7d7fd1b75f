"""Files for their owner only."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from actors.private_file import write_private_once


def test_of_those_who_write_at_once_the_first_counts_for_all(tmp_path: Path) -> None:
    path = tmp_path / "a.key"

    def write(content: str) -> str:
        write_private_once(path, content)
        return path.read_text()

    with ThreadPoolExecutor(8) as threads:
        read = set(threads.map(write, map(str, range(64))))
    assert read == {path.read_text()}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
