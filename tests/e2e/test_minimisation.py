"""Minimisation on a running service: lists of fields and the purge, searched for in all files, also after a restart."""

from pathlib import Path

from serve.verify_minimisation import minimisation
from serve.verify_scene import Scene


def test_no_file_holds_what_may_not_come_in_or_is_past_its_time(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        assert minimisation(scene).startswith("unknown fields in no file")
        runs = scene.get("/v1/privacy/purges")["data"]
        assert runs[0]["finished_at"] is not None
        scene.command("stop")
        assert scene.scan("zqoldterm0", "zqoldterm2", "zqunknownmin0", "zqrecentterm2") == ["zqrecentterm2"]
