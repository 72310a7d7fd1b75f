"""What the gRPC methods of one replica share: what every transport does, and profiles that are encoded already."""

import time

from actors.reader import CommittedReader
from serve.encoded_profiles import EncodedProfiles
from serve.grpc_records import CallRecords
from serve.readiness import Readiness
from serve.request_context import RequestContext
from serve.services import Services


class GrpcContext(RequestContext):
    """One replica's collaborators. `reader` is None where no shard's file is on this node."""

    def __init__(self, services: Services, reader: CommittedReader | None, readiness: Readiness | None = None) -> None:
        """`readiness`: what is asked for the replica's health, by default whether this tenant's shards answer."""
        super().__init__(services)
        self.records = CallRecords(services.metrics)
        self.readiness = readiness or Readiness(services.router, time.monotonic)
        self.profiles = EncodedProfiles(
            services.router,
            reader,
            services.now,
            self.document,
            lambda: (self.segment_names, *self.insights.made_by),
            services.scores,
        )
