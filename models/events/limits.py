"""How much one request may hold. The figures are those of the tracking API that the SDKs were written for."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are of the JSON, after decompression."""

    event_bytes_max: int = 32 * 1024  # one message with what its batch adds to it
    batch_bytes_max: int = 500 * 1024
    rudderstack_batch_bytes_max: int = 4 * 1024 * 1024  # the RudderStack SDKs send up to this
    batch_events_max: int = 2_500
    depth_max: int = 32  # objects and arrays inside one another
    message_id_chars_max: int = 100

    @property
    def request_bytes_max(self) -> int:
        """The most that a server needs to read of any body, compressed or not."""
        return max(self.batch_bytes_max, self.rudderstack_batch_bytes_max)
