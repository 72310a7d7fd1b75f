"""The registry of scoring models: numbers in order, nothing ever changed, all or nothing."""

from pathlib import Path

import msgspec
import pytest

from actors.control import ControlStore
from actors.errors import Invalid, NotFound
from models.scoring.contract import Output, Signature
from models.scoring.features import Feature
from models.scoring.registry import AliasChange, ModelVersion

SIGNATURE = Signature(name="churn", features={"events": Feature(history="events")}, output=Output(kind="probability"))


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control.sqlite", create=True, clock=lambda: 1_000)


def version(name: str = "churn", target: str = "churn") -> ModelVersion:
    signature = msgspec.structs.replace(SIGNATURE, name=name)
    return ModelVersion(name=name, version=0, source="builtin", target=target, signature=signature)


def test_versions_are_numbered_by_name_and_found_again(control: ControlStore, tmp_path: Path) -> None:
    before = control.version()
    made = [control.register_model(version(*each)) for each in [("churn", "a"), ("value", "b"), ("churn", "c")]]
    assert [each.reference for each in made] == ["churn@1", "value@1", "churn@2"]
    assert control.version() == before + 3
    again = ControlStore(tmp_path / "control.sqlite")
    assert again.model_versions() == [made[0], made[2], made[1]]
    assert again.model_versions("value") == [made[1]]
    assert again.model_version("churn", 2) == made[2]
    assert made[2].created_at == 1_000
    with pytest.raises(NotFound):
        again.model_version("churn", 3)


def test_a_version_is_of_its_signatures_name(control: ControlStore) -> None:
    with pytest.raises(Invalid, match="name"):
        control.register_model(msgspec.structs.replace(version(), name="other"))


def test_what_cannot_be_placed_is_not_registered(control: ControlStore) -> None:
    placed = []

    def place(model: ModelVersion) -> ModelVersion:
        placed.append(model.version)
        return msgspec.structs.replace(model, digest="d")

    def fail(model: ModelVersion) -> ModelVersion:
        raise OSError("the disk is full")

    control.register_model(version(), place)
    with pytest.raises(OSError):
        control.register_model(version(), fail)
    assert control.register_model(version(), place).digest == "d"
    assert placed == [1, 2]


def test_aliases_move_together_or_not_at_all_and_every_move_is_kept(control: ControlStore) -> None:
    first, second = control.register_model(version()), control.register_model(version())
    champion = AliasChange("churn", "champion", 1, 5, "key:a")
    control.set_model_aliases(champion, AliasChange("churn", "challenger", 2, 5, "key:a"))
    assert control.current_models() == {("churn", "champion"): first, ("churn", "challenger"): second}
    at = control.version()
    with pytest.raises(NotFound):
        control.set_model_aliases(
            AliasChange("churn", "champion", 2, 6, "key:a"), AliasChange("churn", "challenger", 9, 6, "key:a")
        )
    assert (control.version(), len(control.model_alias_history())) == (at, 2)
    promotion = (
        AliasChange("churn", "champion", 2, 7, "key:b", "better"),
        AliasChange("churn", "challenger", 0, 7, ""),
    )
    control.set_model_aliases(*promotion)
    assert control.current_models() == {("churn", "champion"): second}
    assert control.version() == at + 1
    assert control.model_alias_history("churn")[0] == champion
    assert control.model_alias_history("churn")[2:] == list(promotion)
    assert control.model_alias_history("value") == []


def test_an_alias_of_what_does_not_exist_is_refused_also_when_it_is_taken_away(control: ControlStore) -> None:
    with pytest.raises(NotFound):
        control.set_model_aliases(AliasChange("churn", "champion", 0, 5, ""))
