"""What the requests of one replica share, whatever their transport: services, the way in, and how keys are read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from actors.basis_check import BasisCheck, FreshCheck
from actors.errors import Invalid
from actors.reader import parse_sequence
from actors.special_segments import SpecialSegments
from models.identity.identifiers import InvalidKey
from models.privacy.visibility import EVERYTHING, may_read, readable_until, serves_all, serves_special, visible
from models.profile.document import document, valid_until
from models.profile.state import Profile
from models.scoring.features import Feature, reads_of
from models.scoring.kept import KeptScore, told
from models.shard.protocol import SegmentChange
from serve.auth import Principal
from serve.errors import Forbidden
from serve.http_schemas import time_text
from serve.insights import Insights
from serve.intake import Intake
from serve.policy_work import PolicyReports
from serve.rate_limit import CallLimits
from serve.score_explanations import ScoreExplanations
from serve.services import Services
from serve.snapshot import Snapshot

PURPOSE_HEADER = "onefold-purpose"  # of HTTP, and entry of gRPC's metadata
WITHHELD_HEADER = "onefold-withheld"


def withheld_text(withheld: Mapping[str, int]) -> str:
    """What was left out of an answer, as it is said beside it: "behaviors=1, members=2"; "" for nothing."""
    return ", ".join(f"{what}={count}" for what, count in withheld.items() if count)


class RequestContext:
    """One replica's collaborators."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.intake = Intake(services)
        self.limits = CallLimits(services.authenticator, services.settings.limits, services.now)
        self.purposes = services.settings.privacy.purposes
        self._special = SpecialSegments(services.control, self.purposes)
        self.basis = BasisCheck(
            services.reads.get_many, services.control.segments, self.purposes, services.now, self._special.may_tell
        )
        self.explanations = ScoreExplanations(services.control, services.model_hosts)
        self.insights = Insights(services.settings, services.control, services.now)
        self.policy_reports = PolicyReports()
        self._segment_names = Snapshot(services.control, self._load_segment_names, services.now)

    @property
    def segment_names(self) -> Mapping[str, str]:
        """Segment id -> name, at most half a second behind the control store."""
        return self._segment_names.get()

    def declared_purpose(self, declared: str, caller: Principal | None) -> str:
        """The purpose that a read declares, else that of its key; "" for neither. Raises Invalid, Forbidden."""
        if declared:
            self._check_known(declared, PURPOSE_HEADER)
        bound = caller.purpose if caller is not None else ""
        if bound and declared not in ("", bound):
            raise Forbidden(f"{PURPOSE_HEADER}: the API key reads for the purpose {bound} only; use one for {declared}")
        if bound and bound not in self.purposes.known:
            raise Forbidden(f"the API key reads for the purpose {bound}, which the registry does not have any more")
        return declared or bound

    def purpose_of(self, declared: str, segment_id: str = "") -> str:
        """The purpose of a read: the one of `declared_purpose`, else that of the segment that is read, else the default
        one; "" while there is no registry. Raises Invalid for a segment's that is not in the registry any more."""
        if declared or not self.purposes.is_on:
            return declared
        segment = self.services.control.segments().get(segment_id, {}) if segment_id else {}
        inherited = str(segment.get("purpose", ""))
        if inherited:
            self._check_known(inherited, "the segment's purpose")
        return inherited or self.purposes.default

    def check_segment(self, segment_id: str, purpose: str) -> None:
        """Raises Forbidden if it may not be told for a purpose who is in a segment."""
        if self.purposes.is_on and not self._special.may_tell(segment_id, purpose):
            raise Forbidden(
                f"segment_id: who is in this segment tells of data of a special category, which does not serve the "
                f"purpose {purpose}: declare another in {PURPOSE_HEADER}"
            )

    def _check_known(self, purpose: str, field: str) -> None:
        if purpose not in self.purposes.known:
            known = ", ".join(self.purposes.known) or "none: the registry is empty"
            raise Invalid(f"{field}: expected a purpose of the registry ({known})")

    def fresh_check(self, purpose: str) -> Callable[[Sequence[SegmentChange]], FreshCheck]:
        """Makes the check of the entries of a page that a stream tells one after the other. `purpose` is the declared
        one, "" for that of each segment."""

        def check_of(changes: Sequence[SegmentChange]) -> FreshCheck:
            entries = [(each.customer_id, each.segment_id) for each in changes if each.change == "entered"]
            return FreshCheck(self.basis.entries, entries, purpose, self.services.now)

        return check_of

    def document(
        self,
        profile: Profile,
        purpose: str,
        now: int,
        scores: list[KeptScore],
        made_of: Mapping[str, msgspec.Struct] | None = None,
    ) -> tuple[dict[str, Any], int]:
        """The profile's document with its scores, for a purpose at `now` ms, and until when (ms) it stays so if nothing
        happens. With `made_of`, explanations by score or none, scores tell of what they were made, as far as that
        serves the purpose. With residency it says in which region the person's data is."""
        shown_scores = [kept for kept in scores if self._may_tell(kept, purpose)]
        section = told(shown_scores, time_text, None if made_of is None else self._shows(purpose), made_of)
        shown, until = self._document(profile, purpose, now, section)
        if (hidden := len(scores) - len(shown_scores)) and EVERYTHING not in shown.get("withheld", ()):
            shown["withheld"] = {**shown.get("withheld", {}), "scores": hidden}
        residency = self.services.settings.residency
        return {**shown, "region": residency.region} if residency.is_on else shown, until

    def _document(
        self, profile: Profile, purpose: str, now: int, scores: dict[str, dict[str, Any]]
    ) -> tuple[dict[str, Any], int]:
        rules, purposes = self.services.settings.lifecycle, self.purposes
        insights, until, hidden = self.insights.told(profile, purpose, now)
        made = {**document(profile, now, self.segment_names, rules), "scores": scores, "insights": insights}
        until = min(until, valid_until(profile, now, rules))
        readable = may_read(profile, purposes, purpose, now)
        if readable and not purposes.is_on:
            return made, until
        empty = document(Profile(profile.customer_id, profile.created_at), now, {}, rules)
        if readable:
            every = made["segments"]
            made["segments"] = [each for each in every if self._special.may_tell(str(each["id"]), purpose)]
            special = len(every) - len(made["segments"])
        shown = visible(made, empty, purposes, purpose, readable)
        if readable and special:
            shown["withheld"] = {**shown.get("withheld", {}), "segments": special}
        if hidden and readable:
            shown["withheld"] = {**shown.get("withheld", {}), "insights": hidden}
        return shown, min(until, readable_until(profile, purposes, purpose, now) or until)

    def _may_tell(self, kept: KeptScore, purpose: str) -> bool:
        """A score that is made of data of a special category tells of it."""
        if not (self.purposes.is_on and self.purposes.labels):
            return True
        return all(serves_special(self.purposes, purpose, reads_of(each)) for each in kept.model.features.values())

    def _shows(self, purpose: str) -> Callable[[Feature], bool]:
        return lambda feature: not self.purposes.is_on or serves_all(self.purposes, purpose, reads_of(feature))

    def parse_key(self, key: str, field: str = "key") -> str:
        """The normal form of "namespace:value" or of a customer id. Raises Invalid, with the way out."""
        try:
            return self.intake.normaliser.parse_key(key)
        except InvalidKey as error:
            raise Invalid(f"{field}: {error}") from None

    def parse_min_seq(self, token: str) -> str:
        """The token of an acknowledgement, checked. Raises Invalid."""
        if token:
            try:
                parse_sequence(token)
            except ValueError as error:
                raise Invalid(str(error)) from None
        return token

    def _load_segment_names(self) -> dict[str, str]:
        return {
            segment_id: str(definition.get("name", segment_id))
            for segment_id, definition in self.services.control.segments().items()
        }
