"""IdentityService: who is who, the evidence for it, and what people say about it."""

from actors.errors import Invalid, NotFound
from models.identity.customer_id import to_text
from models.shard.protocol import Link, MergeRecord
from protos.onefold.v1 import identity_pb2 as pb
from serve.grpc_call import Call, Methods, Reply, unary
from serve.grpc_ingest import result_message
from serve.http_schemas import time_text

SERVICE = "onefold.v1.IdentityService"
IDENTIFIERS_MAX = 32  # of a dry run


class IdentityMethods(Methods):
    """Methods of IdentityService. Their names are those of the calls."""

    @unary(SERVICE, "read")
    async def Resolve(self, request: pb.ResolveRequest, call: Call) -> Reply:
        if not 1 <= len(request.identifiers) <= IDENTIFIERS_MAX:
            raise Invalid(f"identifiers: expected 1 to {IDENTIFIERS_MAX}, such as email:jane@example.com")
        identifiers = [self.context.parse_key(identifier) for identifier in request.identifiers]
        found = await self.context.services.router.resolve(identifiers)
        return pb.ResolveResponse(
            customer_id=to_text(found.customer_id) if found.customer_id else "",
            created=found.created,
            confidence=found.confidence,
            methods=found.methods,
            merges=[to_text(customer_id) for customer_id in found.merges],
            demoted_identifiers=found.demoted_identifiers,
        )

    @unary(SERVICE, "read")
    async def Links(self, request: pb.LinksRequest, call: Call) -> Reply:
        key = await self._key(request.key)
        links = await self.context.services.router.links(key)
        return pb.LinksResponse(links=[_link(link) for link in links])

    @unary(SERVICE, "read")
    async def Merges(self, request: pb.MergesRequest, call: Call) -> Reply:
        key = await self._key(request.key)
        merges = await self.context.services.router.merges(key)
        return pb.MergesResponse(merges=[_merge(record) for record in merges])

    @unary(SERVICE, "admin")
    async def Merge(self, request: pb.MergeRequest, call: Call) -> Reply:
        services = self.context.services
        left, right = self.context.parse_key(request.left), self.context.parse_key(request.right)
        result = await services.router.merge(left, right, call.principal.source_id, services.now())
        return result_message(result)

    @unary(SERVICE, "admin")
    async def Unmerge(self, request: pb.UnmergeRequest, call: Call) -> Reply:
        if not request.merge_id:
            raise Invalid("merge_id: expected the id of a merge; Merges lists a person's")
        services = self.context.services
        winner, restored = await services.router.unmerge(request.merge_id, services.now())
        return pb.UnmergeResponse(winner=to_text(winner), restored=to_text(restored))

    async def _key(self, text: str) -> str:
        """A key that somebody has."""
        key = self.context.parse_key(text)
        if await self.context.profiles.get(key) is None:
            raise NotFound("key: nobody has this identifier")
        return key


def _link(link: Link) -> pb.IdentityLink:
    return pb.IdentityLink(
        customer_id=to_text(link.customer_id),
        left=link.left,
        right=link.right,
        method=link.method,
        confidence=link.confidence,
        message_id=link.message_id,
        source=link.source,
        at=time_text(link.at),
    )


def _merge(record: MergeRecord) -> pb.MergeEntry:
    return pb.MergeEntry(
        merge_id=record.merge_id,
        winner=to_text(record.winner),
        loser=to_text(record.loser),
        at=time_text(record.at),
        message_id=record.message_id,
        source=record.source,
        method=record.method,
        identifiers=record.identifiers,
        undone_at=time_text(record.undone_at) if record.undone_at else "",
    )
