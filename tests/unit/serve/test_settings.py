"""Settings: three sources in rising order, and errors that say what to change and where."""

import pickle
from pathlib import Path

import msgspec
import pytest

from models.profile.policy import AttributePolicy
from models.scoring.statements import SCORER_SOURCE
from serve.settings import Settings, SettingsError, flatten, load
from tests.strategies.decision_points import POINT


@pytest.fixture(autouse=True)
def in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_are_loopback_in_an_absolute_directory(tmp_path: Path) -> None:
    loaded = load(environment={})
    assert loaded.file is None and loaded.origins == {}
    assert loaded.settings.http_host == "127.0.0.1" and loaded.settings.is_loopback
    assert loaded.settings.data_path == tmp_path / "onefold-data"
    assert loaded.settings.control_path == tmp_path / "onefold-data" / "control.sqlite"


def test_flags_over_environment_over_file(tmp_path: Path) -> None:
    (tmp_path / "onefold.toml").write_text("http_port = 1001\ngrpc_port = 1002\nreplicas = 3\n")
    environment = {"ONEFOLD_GRPC_PORT": "2002", "ONEFOLD_REPLICAS": "4"}
    loaded = load({"replicas": 5, "http_port": None}, environment)
    settings = loaded.settings
    assert (settings.http_port, settings.grpc_port, settings.replicas) == (1001, 2002, 5)
    assert loaded.file == tmp_path / "onefold.toml"
    assert loaded.origins == {
        "http_port": str(tmp_path / "onefold.toml"),
        "grpc_port": "ONEFOLD_GRPC_PORT",
        "replicas": "flag --replicas",
    }


def test_tables_lists_and_maps(tmp_path: Path) -> None:
    (tmp_path / "onefold.toml").write_text(
        '[limits]\nbatch_events = 10\n[identity]\npriority = ["email"]\n[identity.limits]\nemail = 2\n'
    )
    loaded = load(environment={"ONEFOLD_LIMITS__EVENT_BYTES": "99", "ONEFOLD_IDENTITY__BLOCKED_VALUES": "none, n/a"})
    settings = loaded.settings
    assert (settings.limits.batch_events, settings.limits.event_bytes) == (10, 99)
    assert settings.identity.priority == ("email",)
    assert settings.identity.limits == {"email": 2}
    assert settings.identity.blocked_values == ("none", "n/a")
    loaded = load(environment={"ONEFOLD_IDENTITY__LIMITS": "user_id=1,email=3"})
    assert loaded.settings.identity.limits == {"user_id": 1, "email": 3}
    loaded = load(environment={"ONEFOLD_IDENTITY__LIMITS": '{"email": 4}'})
    assert loaded.settings.identity.limits == {"email": 4}


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("ONEFOLD_HTTP_PORT", "http", "http_port: expected int, got str (set by ONEFOLD_HTTP_PORT)"),
        ("ONEFOLD_HTTP_PORT", "70000", "http_port: expected int <= 65535 (set by ONEFOLD_HTTP_PORT)"),
        ("ONEFOLD_REPLICAS", "0", "replicas: expected int >= 1 (set by ONEFOLD_REPLICAS)"),
        (
            "ONEFOLD_LOG_LEVEL",
            "loud",
            "log_level: expected one of debug, info, warning, error (set by ONEFOLD_LOG_LEVEL",
        ),
        ("ONEFOLD_LIMITS__BATCH_EVENTS", "x", "limits.batch_events: expected int, got str"),
        ("ONEFOLD_IDENTITY__LIMITS", "user_id", "identity.limits: expected a JSON object, or name=value pairs"),
        ("ONEFOLD_IDENTITY__LIMITS", "{", "identity.limits: expected JSON"),
        ("ONEFOLD_IDENTITY__LIMITS", "user_id=0", "identity.limits: a limit must be at least 1"),
        ("ONEFOLD_IDENTITY__PHONE_REGION", "Texas", "identity.phone_region"),
        (
            "ONEFOLD_HTP_PORT",
            "1",
            "htp_port: there is no such setting, did you mean http_port? (set by ONEFOLD_HTP_PORT)",
        ),
        (
            "ONEFOLD_LIFECYCLE__LAPSED_DAYS",
            "5",
            "lapsed_days must be greater than lifecycle.at_risk_days (set by ONEFOLD_",
        ),
        ("ONEFOLD_SCORING__BANDS", '{"churn": {"": 1}}', "scoring.bands.churn: expected names of 1 to 64"),
        ("ONEFOLD_SCORING__BAND_MARGIN", "0.5", "scoring.band_margin: expected float < 0.5"),
        ("ONEFOLD_GRPC_PORT", "8080", "grpc_port: expected another port than http_port"),
    ],
)
def test_errors_name_the_setting_its_origin_and_what_was_expected(variable: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environment={variable: text})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http_port = '8080'", "http_port: expected int, got str (set by {path})"),
        ("http_port = ", "{path}: not valid TOML"),
        ("[limits]\nbatch = 1", "limits.batch: there is no such setting, did you mean limits.batch_"),
        ("limits = 5", "limits: there is no such setting"),
        ("[identity.limits]\nuser_id = 'one'", "identity.limits: expected int, got str at [...]"),
    ],
)
def test_errors_in_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "onefold.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(environment={})
    assert message.format(path=path) in str(caught.value)


def test_decisions_are_kept_until_what_came_of_them_is_known(tmp_path: Path) -> None:
    file = tmp_path / "onefold.toml"
    decisions = msgspec.json.encode({"welcome": POINT}).decode()
    for days in ("0", "15"):
        file.write_text(f"[privacy.retention]\ndecision_days = {days}\n")
        load(environment={"ONEFOLD_SCORING__DECISIONS": decisions}, file=file)
    file.write_text("[privacy.retention]\ndecision_days = 14\n")
    with pytest.raises(SettingsError, match=r"decision_days: .* more than 14, the horizon_days of .*\.welcome"):
        load(environment={"ONEFOLD_SCORING__DECISIONS": decisions}, file=file)
    load(environment={}, file=file)


def test_bands_say_what_their_traits_are(tmp_path: Path) -> None:
    file = tmp_path / "onefold.toml"
    file.write_text(
        "[scoring.bands]\nchurn = { low = 0, high = 0.7 }\n"
        '[privacy.purposes]\ndefault = "shop"\n[privacy.purposes.known.shop]\nbasis = "contract"\n'
        '[privacy.purposes.known.ads]\nbasis = "consent"\ndata = { sections = ["scores"] }\n'
    )
    settings = load(environment={}, file=file).settings
    assert settings.scoring.bands == {"churn": {"low": 0.0, "high": 0.7}}
    assert settings.profile.attributes["churn_band"].sources == (SCORER_SOURCE,)
    assert settings.privacy.purposes.serving("traits", "churn_band") == ["ads"]
    file.write_text(file.read_text() + '[profile.attributes]\nchurn_band = { merge = "first" }\n')
    with pytest.raises(SettingsError, match=r"profile\.attributes\.churn_band: .*leave it out here"):
        load(environment={}, file=file)


def test_merge_policies_of_attributes(tmp_path: Path) -> None:
    (tmp_path / "onefold.toml").write_text(
        '[profile.attributes]\nname = { merge = "source_priority", sources = ["crm", "web"] }\n'
        '[profile.default_attribute]\nmerge = "first"\n'
    )
    profile = load(environment={}).settings.profile
    assert profile.attributes == {"name": AttributePolicy("source_priority", ("crm", "web"))}
    assert profile.default_attribute.merge == "first"
    (tmp_path / "onefold.toml").write_text('[profile.attributes]\nname = { merge = "best" }')
    with pytest.raises(SettingsError, match=r"profile.attributes: .*best.* at \[...\].merge"):
        load(environment={})


def test_which_file_is_read(tmp_path: Path) -> None:
    here, there = tmp_path / "onefold.toml", tmp_path / "data" / "onefold.toml"
    there.parent.mkdir()
    there.write_text("http_port = 2")
    assert load({"data_dir": "data"}, {}).settings.http_port == 2
    assert load(environment={"ONEFOLD_DATA_DIR": "data"}).settings.http_port == 2
    here.write_text("http_port = 1")
    assert load(environment={}).settings.http_port == 1
    assert load({"data_dir": "data"}, {}).settings.http_port == 2  # the directory's own file, not that of another
    assert load(environment={"ONEFOLD_CONFIG": str(there)}).settings.http_port == 2
    with pytest.raises(SettingsError, match="--config or ONEFOLD_CONFIG"):
        load(file=tmp_path / "gone.toml", environment={})


def test_a_relative_data_directory_in_a_file_is_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "my.toml").write_text('data_dir = "store"')
    assert load(file=folder / "my.toml", environment={}).settings.data_path == folder / "store"
    assert load({"data_dir": "x"}, {}, folder / "my.toml").settings.data_path == tmp_path / "x"


def test_variables_of_the_command_line_are_not_settings() -> None:
    load(environment={"ONEFOLD_KEY": "k", "ONEFOLD_URL": "u", "ONEFOLD_TEST_SEED": "1", "PATH": "/"})


def test_settings_travel_between_processes() -> None:
    settings = load({"replicas": 2}, {}).settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_flatten_names_every_setting() -> None:
    flat = flatten(Settings())
    assert flat["http_port"] == 8080 and flat["limits.batch_events"] == 2_500 and "identity.limits" in flat


def test_the_documentation_names_every_setting() -> None:
    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    assert [name for name in flatten(Settings()) if f"| `{name}` |" not in text] == []
