"""What an erasure takes out of the profiles of others who shared something with the person: traits that name them.

After a merge by an e-mail address that was taken back, say, the event that told it is of the one, and the address is
the other's.
"""

import msgspec

from models.identity.identifiers import IdentifierNormaliser
from models.privacy.parting import part_profile
from models.profile.state import Profile, decode_profile, encode_profile
from models.shard.commands import Part
from models.shard.core import ShardCore


class Parting:
    """Of one shard."""

    def __init__(self, core: ShardCore) -> None:
        self._core = core
        self._normaliser = IdentifierNormaliser(core.settings.identity)

    def part(self, command: Part) -> None:
        """Takes the erased out of these people's profiles, and of the states that their merges keep."""
        core = self._core
        became: list[int] = []
        for customer_id in command.people:
            if not core.is_live(customer_id):
                redirect = core.redirects.get(customer_id)
                if redirect is not None:
                    became.append(redirect.target)
                continue
            profile = core.profile(customer_id)
            if self._part(profile, command):
                core.unevidenced.append(customer_id)
                core.reevaluate(profile, core.index.all, "erasure")
                core.save_anew(profile)
                core.mark_for_matching(customer_id)
            for merge_id in sorted(core.merges_of([customer_id])):
                self._part_merge(merge_id, command)
        core.replies.append((command.call, became))

    def _part_merge(self, merge_id: str, command: Part) -> None:
        core = self._core
        if core.merges[merge_id].undone_at:
            return
        record = core.merge(merge_id)
        winner, loser = decode_profile(record.winner_before), decode_profile(record.loser_before)
        if self._part(winner, command) + self._part(loser, command):
            before = {"winner_before": encode_profile(winner), "loser_before": encode_profile(loser)}
            core.merges.put(merge_id, msgspec.structs.replace(record, evidence=None, **before))

    def _part(self, profile: Profile, command: Part) -> bool:
        return part_profile(profile, command.refused_until, self._normaliser.normal_form)
