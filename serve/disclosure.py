"""What of people each HTTP route shows, in one table: whether its answer is for a purpose (docs/purposes.md).

    nobody    nothing of a person: definitions, counts, states of the service
    ids       that people exist, by their ids, and what was done with what the caller sent or said
    purpose   what serves the purpose of the read, of people for whom that has a basis now
    letters   messages that could not be taken, whose people are not known for certain
    duty      what the law demands to be kept or told: answers on consent, requests of data subjects

A route that is not in it answers nobody, and one that shows `purpose` takes the purpose of its read from
`serve.http_context.declared_of`. Methods of gRPC state the same where they are defined (`serve.grpc_call`).
"""

from collections.abc import Mapping
from typing import Literal

from serve.http_scopes import INGEST_PATHS

Shows = Literal["nobody", "ids", "purpose", "letters", "duty"]

SHOWS: Mapping[tuple[str, str], Shows] = {
    ("GET", "/healthz"): "nobody",
    ("GET", "/readyz"): "nobody",
    ("GET", "/metrics"): "nobody",
    ("GET", "/openapi.json"): "nobody",
    ("GET", "/docs"): "nobody",
    **{("POST", path): "ids" for path in sorted(INGEST_PATHS)},
    ("GET", "/v1/profiles/{key}"): "purpose",
    ("GET", "/v1/profiles/{key}/traits"): "purpose",
    ("GET", "/v1/profiles/{key}/events"): "purpose",
    ("GET", "/v1/profiles/{key}/identities"): "purpose",
    ("GET", "/v1/profiles/{key}/segments"): "purpose",
    ("GET", "/v1/profiles/{key}/scores"): "purpose",
    ("GET", "/v1/profiles/{key}/consents"): "purpose",
    ("POST", "/v1/profiles/{key}/consents"): "duty",
    ("GET", "/v1/profiles/{key}/ledger"): "duty",
    ("GET", "/v1/profiles/{key}/corrections"): "duty",
    ("POST", "/v1/profiles/{key}/corrections"): "duty",
    ("GET", "/v1/profiles/{key}/links"): "purpose",
    ("GET", "/v1/profiles/{key}/merges"): "purpose",
    ("GET", "/v1/profiles/{key}/graph"): "purpose",
    ("GET", "/v1/profiles/changes"): "ids",
    ("POST", "/v1/profiles/batch"): "purpose",
    ("POST", "/v1/identity/resolve"): "purpose",
    ("GET", "/v1/identity/explain"): "purpose",
    ("GET", "/v1/identity/merges/{merge_id}/evidence"): "purpose",
    ("GET", "/v1/identity/reviews"): "purpose",
    ("GET", "/v1/identity/reviews/{review_id}"): "purpose",
    ("POST", "/v1/identity/reviews/{review_id}/accept"): "ids",
    ("POST", "/v1/identity/reviews/{review_id}/reject"): "purpose",
    ("POST", "/v1/identity/merge"): "ids",
    ("POST", "/v1/identity/unmerge"): "ids",
    ("GET", "/v1/segments"): "nobody",
    ("POST", "/v1/segments"): "nobody",
    ("GET", "/v1/segments/schema"): "nobody",
    ("GET", "/v1/segments/overlap"): "nobody",
    ("GET", "/v1/segments/stream"): "purpose",
    ("POST", "/v1/segments/preview"): "nobody",
    ("POST", "/v1/segments/backtest"): "nobody",
    ("GET", "/v1/segments/{segment_id}"): "nobody",
    ("DELETE", "/v1/segments/{segment_id}"): "nobody",
    ("GET", "/v1/segments/{segment_id}/history"): "nobody",
    ("GET", "/v1/segments/{segment_id}/analytics"): "nobody",
    ("GET", "/v1/segments/{segment_id}/members"): "purpose",
    ("GET", "/v1/segments/{segment_id}/members/profiles"): "purpose",
    ("GET", "/v1/segments/{segment_id}/why"): "purpose",
    ("GET", "/v1/segments/{segment_id}/stream"): "purpose",
    ("GET", "/v1/segments/{segment_id}/changes"): "purpose",
    ("GET", "/v1/webhooks"): "nobody",
    ("POST", "/v1/webhooks"): "nobody",
    ("GET", "/v1/webhooks/{webhook_id}"): "nobody",
    ("PUT", "/v1/webhooks/{webhook_id}"): "nobody",
    ("DELETE", "/v1/webhooks/{webhook_id}"): "nobody",
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret"): "nobody",
    ("POST", "/v1/webhooks/{webhook_id}/test"): "nobody",
    ("GET", "/v1/webhooks/{webhook_id}/dead-letters"): "purpose",
    ("POST", "/v1/webhooks/{webhook_id}/dead-letters/replay"): "nobody",
    ("GET", "/v1/computed-traits"): "nobody",
    ("POST", "/v1/computed-traits"): "nobody",
    ("GET", "/v1/computed-traits/{trait_id}"): "nobody",
    ("DELETE", "/v1/computed-traits/{trait_id}"): "nobody",
    ("GET", "/v1/events"): "purpose",
    ("GET", "/v1/deadletters"): "letters",
    ("DELETE", "/v1/deadletters"): "nobody",
    ("POST", "/v1/deadletters/replay"): "nobody",
    ("GET", "/v1/status"): "nobody",
    ("GET", "/v1/admin/keys"): "nobody",
    ("POST", "/v1/admin/keys"): "nobody",
    ("DELETE", "/v1/admin/keys/{key_id}"): "nobody",
    ("POST", "/v1/admin/keys/{key_id}/rotate"): "nobody",
    ("GET", "/v1/audit/entries"): "ids",
    ("GET", "/v1/audit/affected"): "ids",
    ("GET", "/v2/certificate"): "nobody",
    ("GET", "/v2/discovery"): "nobody",
    ("POST", "/v2/requests"): "duty",
    ("GET", "/v2/requests/{subject_request_id}"): "duty",
    ("DELETE", "/v2/requests/{subject_request_id}"): "duty",
    ("GET", "/v1/privacy/requests"): "duty",
    ("POST", "/v1/privacy/requests/{subject_request_id}/verify"): "duty",
    ("GET", "/v1/privacy/requests/{subject_request_id}/recipients"): "duty",
    ("POST", "/v1/privacy/requests/{subject_request_id}/extend"): "duty",
    ("GET", "/v1/privacy/results/{name}"): "duty",
    ("POST", "/v1/privacy/suppressions/lift"): "nobody",
    ("GET", "/v1/privacy/findings"): "nobody",
    ("POST", "/v1/privacy/reveal"): "duty",
    ("POST", "/v1/privacy/purge"): "nobody",
    ("GET", "/v1/privacy/purges"): "nobody",
    ("GET", "/v1/admin/sources"): "nobody",
    ("PUT", "/v1/admin/sources/{source_id}"): "nobody",
}
