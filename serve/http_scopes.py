"""What each HTTP route asks of its caller, in one table. A route that is not in it answers nobody."""

from collections.abc import Mapping
from typing import Literal

from actors.api_keys import Scope

PUBLIC: Literal["public"] = "public"

# Last parts of the paths that take events. The tracking API's own names, and the one letter that browsers send.
INGEST_NAMES = (
    *("identify", "track", "page", "screen", "group", "alias", "batch", "import", "merge"),
    *("i", "t", "p", "s", "g", "a", "b"),
)
INGEST_PATHS = frozenset(f"/v1/{name}" for name in INGEST_NAMES)

# Routes of the scope `read` that tell of nobody: the audit log has no entry of who calls them.
NO_PEOPLE = frozenset({("GET", "/v1/status")})

SCOPES: Mapping[tuple[str, str], Scope | Literal["public"]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    **{("POST", path): "ingest" for path in sorted(INGEST_PATHS)},
    ("GET", "/v1/profiles/{key}"): "read",
    ("GET", "/v1/profiles/{key}/traits"): "read",
    ("GET", "/v1/profiles/{key}/events"): "read",
    ("GET", "/v1/profiles/{key}/identities"): "read",
    ("GET", "/v1/profiles/{key}/segments"): "read",
    ("GET", "/v1/profiles/{key}/scores"): "read",
    ("GET", "/v1/profiles/{key}/consents"): "read",
    ("GET", "/v1/profiles/{key}/links"): "read",
    ("GET", "/v1/profiles/{key}/merges"): "read",
    ("GET", "/v1/profiles/{key}/graph"): "read",
    ("GET", "/v1/profiles/changes"): "read",
    ("POST", "/v1/profiles/batch"): "read",
    ("POST", "/v1/identity/resolve"): "read",
    ("GET", "/v1/identity/explain"): "read",
    ("GET", "/v1/identity/merges/{merge_id}/evidence"): "read",
    ("GET", "/v1/identity/reviews"): "read",
    ("GET", "/v1/identity/reviews/{review_id}"): "read",
    ("POST", "/v1/identity/reviews/{review_id}/accept"): "admin",
    ("POST", "/v1/identity/reviews/{review_id}/reject"): "admin",
    ("POST", "/v1/identity/merge"): "admin",
    ("POST", "/v1/identity/unmerge"): "admin",
    ("GET", "/v1/segments"): "analyse",
    ("POST", "/v1/segments"): "admin",
    ("GET", "/v1/segments/schema"): "analyse",
    ("GET", "/v1/segments/overlap"): "analyse",
    ("GET", "/v1/segments/stream"): "read",
    ("POST", "/v1/segments/preview"): "analyse",
    ("POST", "/v1/segments/backtest"): "analyse",
    ("GET", "/v1/segments/{segment_id}"): "analyse",
    ("DELETE", "/v1/segments/{segment_id}"): "admin",
    ("GET", "/v1/segments/{segment_id}/history"): "analyse",
    ("GET", "/v1/segments/{segment_id}/analytics"): "analyse",
    ("GET", "/v1/segments/{segment_id}/members"): "read",
    ("GET", "/v1/segments/{segment_id}/members/profiles"): "read",
    ("GET", "/v1/segments/{segment_id}/why"): "read",
    ("GET", "/v1/segments/{segment_id}/stream"): "read",
    ("GET", "/v1/segments/{segment_id}/changes"): "read",
    ("GET", "/v1/webhooks"): "admin",
    ("POST", "/v1/webhooks"): "admin",
    ("GET", "/v1/webhooks/{webhook_id}"): "admin",
    ("PUT", "/v1/webhooks/{webhook_id}"): "admin",
    ("DELETE", "/v1/webhooks/{webhook_id}"): "admin",
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret"): "admin",
    ("POST", "/v1/webhooks/{webhook_id}/test"): "admin",
    ("GET", "/v1/webhooks/{webhook_id}/dead-letters"): "admin",
    ("POST", "/v1/webhooks/{webhook_id}/dead-letters/replay"): "admin",
    ("GET", "/v1/computed-traits"): "analyse",
    ("POST", "/v1/computed-traits"): "admin",
    ("GET", "/v1/computed-traits/{trait_id}"): "analyse",
    ("DELETE", "/v1/computed-traits/{trait_id}"): "admin",
    ("GET", "/v1/events"): "read",
    ("GET", "/v1/deadletters"): "read",
    ("DELETE", "/v1/deadletters"): "admin",
    ("POST", "/v1/deadletters/replay"): "admin",
    ("GET", "/v1/status"): "read",
    ("GET", "/v1/admin/keys"): "admin",
    ("POST", "/v1/admin/keys"): "admin",
    ("DELETE", "/v1/admin/keys/{key_id}"): "admin",
    ("POST", "/v1/admin/keys/{key_id}/rotate"): "admin",
    ("GET", "/v1/audit/entries"): "privacy",
    ("GET", "/v1/audit/affected"): "privacy",
    ("GET", "/v2/certificate"): PUBLIC,
    ("GET", "/v2/discovery"): "privacy",
    ("POST", "/v2/requests"): "privacy",
    ("GET", "/v2/requests/{subject_request_id}"): "privacy",
    ("DELETE", "/v2/requests/{subject_request_id}"): "privacy",
    ("GET", "/v1/privacy/requests"): "privacy",
    ("POST", "/v1/privacy/requests/{subject_request_id}/verify"): "privacy",
    ("POST", "/v1/privacy/requests/{subject_request_id}/extend"): "privacy",
    ("GET", "/v1/privacy/results/{name}"): "privacy",
    ("GET", "/v1/admin/sources"): "admin",
    ("PUT", "/v1/admin/sources/{source_id}"): "admin",
}
