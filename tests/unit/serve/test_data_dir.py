"""The data directory: what init makes, and what keeps one from being served."""

import stat
from pathlib import Path

import pytest

from actors.control import ControlStore
from actors.errors import Conflict
from serve.data_dir import TEMPLATE, DirectoryError, check, create, suppression_key
from serve.settings import Settings, flatten, load

EXAMPLES = ("birthday", "address")  # attributes, not settings


def settings_in(path: Path, **values: object) -> Settings:
    return load({"data_dir": str(path), **values}, {}).settings


def test_init_makes_a_private_directory_that_can_be_served(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "a" / "data", shards=3)
    made = create(settings)
    assert made.shards == 3 and check(settings) == 3
    assert check(settings_in(settings.data_path)) == 3  # the number need not be said again
    assert stat.S_IMODE(settings.data_path.stat().st_mode) == 0o700
    for name in ("admin.key", "control.sqlite", "onefold.toml"):
        assert stat.S_IMODE((settings.data_path / name).stat().st_mode) == 0o600
    control = ControlStore(settings.control_path)
    ingest = control.authenticate(made.ingest_key)
    admin = control.authenticate(Path(made.admin_key_file).read_text().strip())
    assert ingest and ingest.scopes == ("ingest",)
    assert admin and admin.scopes == ("admin",)


def test_init_again_changes_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", shards=2)
    create(settings)
    before = {file.name: file.read_bytes() for file in settings.data_path.glob("*.*")}
    again = create(settings_in(tmp_path / "data"))
    assert again.ingest_key == "" and again.shards == 2
    assert {file.name: file.read_bytes() for file in settings.data_path.glob("*.*")} == before
    with pytest.raises(Conflict, match="shards was fixed at 2"):
        create(settings_in(tmp_path / "data", shards=4))


def test_chosen_settings_are_written_down(tmp_path: Path) -> None:
    create(settings_in(tmp_path / "data", http_port=1234, log_level="debug"), chosen=("http_port", "log_level"))
    settings = settings_in(tmp_path / "data")
    assert (settings.http_port, settings.log_level) == (1234, "debug")


def test_the_template_shows_the_defaults(tmp_path: Path) -> None:
    lines = []
    for line in TEMPLATE.splitlines():
        name, equals, _ = line.removeprefix("# ").partition(" = ")
        lines.append(line.removeprefix("# ") if equals and name.isidentifier() and name not in EXAMPLES else line)
    path = tmp_path / "onefold.toml"
    path.write_text("\n".join(lines))
    loaded = load(file=path, environment={})
    assert flatten(loaded.settings) | {"data_dir": ""} == flatten(Settings()) | {"data_dir": ""}
    assert len(loaded.origins) > 20
    path.write_text(TEMPLATE)
    assert load(file=path, environment={}).origins == {}


def test_other_peoples_directories_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DirectoryError, match="choose another --data-dir"):
        create(settings_in(tmp_path))
    with pytest.raises(DirectoryError, match="not a directory"):
        create(settings_in(tmp_path / "notes.txt"))
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_what_keeps_a_directory_from_being_served(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pytest.raises(DirectoryError, match="onefold init"):
        check(settings_in(path))
    create(settings_in(path, shards=2))
    with pytest.raises(DirectoryError, match=r"shards: .* was made with 2 and cannot be served with 4"):
        check(settings_in(path, shards=4))
    path.chmod(0o755)
    with pytest.raises(DirectoryError, match="chmod 700"):
        check(settings_in(path))
    path.chmod(0o700)
    secret = path / "admin.key"
    secret.chmod(0o640)
    with pytest.raises(DirectoryError, match=r"admin.key can be read by other users: run `chmod 600"):
        check(settings_in(path))
    secret.chmod(0o600)
    with pytest.raises(DirectoryError, match=r"in plain text .* tls.by_proxy = true"):
        check(settings_in(path, http_host="0.0.0.0"))
    exposed = settings_in(path, http_host="0.0.0.0", **{"tls.by_proxy": True})
    assert check(exposed) == 2  # there are keys
    control = ControlStore(exposed.control_path)
    keys = control.keys()
    for key in keys:
        control.revoke_key(key.key_id)
    with pytest.raises(DirectoryError, match="without a valid API key only loopback"):
        check(exposed)
    assert check(settings_in(path)) == 2


def test_a_half_made_directory_is_not_served(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    ControlStore(settings.control_path, create=True).close()
    tmp_path.chmod(0o700)
    with pytest.raises(DirectoryError, match="half set up"):
        check(settings)


def test_a_lost_suppression_key_is_not_made_anew(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", shards=1)
    create(settings)
    key = suppression_key(settings.data_path)
    (settings.data_path / "shards" / "shard-000.sqlite").touch()
    assert suppression_key(settings.data_path) == key
    (settings.data_path / "suppression.key").unlink()
    with pytest.raises(DirectoryError, match=r"suppression\.key is gone: put back"):
        suppression_key(settings.data_path)
