"""A pairing that reunites: earlier partings do not hold against it, everything else does."""

from models.shard.protocol import Paired
from tests.unit.shard.test_matching import ANN, Shard


def test_it_joins_what_was_set_apart_and_nobody_is_apart_from_himself_afterwards() -> None:
    shard = Shard()
    one, two, three = (shard.identify(f"crm_id:{number}", **ANN) for number in range(3))
    for other in (two, three):
        assert shard.pair(one, other, method="operator", apart=True).outcome == "set_apart"
    assert shard.pair(one, two).outcome == "apart"
    stale = (shard.digest(one), shard.digest(two) + 1)
    assert shard.pair(one, two, reunite=True, digests=stale).outcome == "stale"
    assert shard.pair(one, two, reunite=True).outcome == "joined"
    assert shard.machine.core.profile(one).apart == [three]
    assert shard.pair(one, three).outcome == "apart"


def test_limits_hold() -> None:
    shard = Shard()
    one, two = shard.identify("user_id:1", **ANN), shard.identify("user_id:2", **ANN)
    shard.pair(one, two, method="operator", apart=True)
    assert shard.pair(one, two, reunite=True) == Paired("limits", one, two)
