"""Rows of `onefold privacy verify`: whatever a check raises is a duty not met, and the rows after it are tried."""

from pathlib import Path

from pipelines.batch_client import ApiError
from serve.verify_duties import ROWS
from serve.verify_rows import Outcome, Row, expect, run_rows
from serve.verify_scene import Scene


def test_what_a_check_raises_is_not_met_and_the_others_are_tried(tmp_path: Path) -> None:
    def sees_nothing(scene: Scene) -> str:
        expect(False, "nothing was seen")
        return "seen"

    def is_refused(scene: Scene) -> str:
        raise ApiError(403, "forbidden", "this key may not")

    def fails(scene: Scene) -> str:
        raise KeyError("data")

    checks = (sees_nothing, is_refused, fails, lambda scene: "seen")
    told: list[Outcome] = []
    scene = Scene(tmp_path)
    outcomes = run_rows([Row(str(n), "", "", check) for n, check in enumerate(checks)], scene, told.append)
    scene.receiver.close()
    assert outcomes == told
    assert [(each.result, each.seen) for each in outcomes] == [
        ("fail", "nothing was seen"),
        ("fail", "the service answered 403: this key may not"),
        ("fail", "the check could not be done: KeyError: 'data'"),
        ("pass", "seen"),
    ]


def test_each_duty_has_one_row_in_the_order_of_the_law() -> None:
    articles = [int(row.duty.removeprefix("GDPR ").split(",")[0].split(";")[0].split("-")[0]) for row in ROWS]
    assert articles == sorted(articles)
    assert len({row.duty for row in ROWS}) == len(ROWS)
