"""Makes the matching model that comes with Onefold from one learned on made-up people.

What agreement is worth was learned; how often names occur in life was not, since the people's names are made up. Here
the names' frequencies become those of the United States' census, as Faker has them, and every other value counts as
an average one: a city or a birthday that the made-up people do not have may well be common.

    python -m pipelines.ship_match_model LEARNED.json SHIPPED.json
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from faker.providers.person.en_US import Provider

from models.identity.fields import Field
from models.identity.fold import fold
from models.identity.mixture import KINSHIPS
from models.identity.model import Frequencies, MatchModel

NAMES_KEPT = 1_000
# Values that are a person's own: one that was never seen is rare, not average.
OWN: frozenset[Field] = frozenset({"email", "phone", "national_id", "other_id"})
_EXACT = 1


def shipped(learned: MatchModel) -> MatchModel:
    """The learned model with the frequencies of real names, and average ones for what is not a person's own."""
    strangers = learned.mixture.levels[KINSHIPS.index("strangers")]
    average = {field: levels[_EXACT] for field, levels in zip(learned.mixture.fields, strangers, strict=True)}
    frequencies: dict[Field, Frequencies] = {
        field: Frequencies({}, found.rare if field in OWN else average[field])
        for field, found in learned.frequencies.items()
    }
    # Half of all people are women, half men.
    given = {name: share / 2 for names in (Provider.first_names_female, Provider.first_names_male)
             for name, share in _shares(names).items()}  # fmt: skip
    frequencies["given_name"] = _most_frequent(given, average["given_name"])
    frequencies["family_name"] = _most_frequent(_shares(Provider.last_names), average["family_name"])
    return msgspec.structs.replace(learned, frequencies=frequencies)


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {fold(name): weight / total for name, weight in weights.items()}


def _most_frequent(shares: Mapping[str, float], average: float) -> Frequencies:
    """The commonest names; any other is as rare as the rarest of them, or average if that is rarer."""
    kept = dict(sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:NAMES_KEPT])
    return Frequencies(kept, min([average, *kept.values()]))


if __name__ == "__main__":
    learned_path, shipped_path = map(Path, sys.argv[1:3])
    shipped_path.write_bytes(shipped(MatchModel.decode(learned_path.read_bytes())).encode())
