"""The record of processing says what is configured, and nothing else."""

import msgspec

from models.delivery.webhook import Webhook
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.record import EVERYTHING_ELSE, RecordRecipient, record_of, to_markdown
from models.privacy.residency import NO_RESIDENCY, Crossing, Region, Residency, Transfer
from models.privacy.settings import KeptFor, PrivacySettings

PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract", name="Running the shop"),
        "ads": Purpose(basis="consent", data=DataScope(traits=("income",), events=("Ad *",)), retention_days=90),
    },
    default="service",
)
SETTINGS = PrivacySettings(controller_id="example-shop", purposes=PURPOSES, retention=KeptFor(result_days=30))
WEBHOOK = Webhook("crm", "https://hooks.example.com/x?token=secret", purpose="ads", automated_decision=True)
KEY = RecordRecipient("api_key", "k1", "campaigns", "ads", region="us")
RESIDENCY = Residency(
    region="eu",
    regions={"eu": Region(countries=("DE", "FR")), "us": Region(sources=("shop-us",))},
    transfers={"eu->us": Transfer("scc", "contract 7"), "us->eu": Transfer("adequacy", "not from here")},
)


def test_it_lists_purposes_recipients_retention_and_security() -> None:
    record = record_of(SETTINGS, [WEBHOOK], [KEY], ["web"], {"TLS": "on"}, RESIDENCY)
    assert [(each.id, each.basis, each.data, each.retention) for each in record.purposes] == [
        ("service", "contract", [EVERYTHING_ELSE], "until it is deleted"),
        ("ads", "consent", ["traits: income", "events: Ad *"], "90 days"),
    ]
    assert record.recipients == [RecordRecipient("webhook", "crm", "hooks.example.com", "ads", True), KEY]
    assert record.regions == {"eu": ["countries: DE, FR"], "us": ["sources: shop-us"]}
    assert (record.region, record.transfers) == ("eu", [Crossing("eu->us", "scc", "contract 7")])
    assert record.retention["results of access requests"] == "30 days"
    text = to_markdown(record)
    told = ("example-shop", "Running the shop", "hooks.example.com", "90 days", "TLS: on", "eu->us | scc | contract 7")
    assert all(each in text for each in told)
    assert "secret" not in text and "not from here" not in text


def test_it_changes_with_each_part_of_the_configuration() -> None:
    def made(
        settings: PrivacySettings = SETTINGS,
        webhooks: tuple[Webhook, ...] = (WEBHOOK,),
        residency: Residency = RESIDENCY,
    ) -> str:
        return to_markdown(record_of(settings, webhooks, [KEY], ["web"], {}, residency))

    fewer = msgspec.structs.replace(PURPOSES, known={"service": PURPOSES.known["service"]})
    others = [
        made(msgspec.structs.replace(SETTINGS, controller_id="other")),
        made(msgspec.structs.replace(SETTINGS, purposes=fewer)),
        made(msgspec.structs.replace(SETTINGS, require_verification=True)),
        made(msgspec.structs.replace(SETTINGS, retention=KeptFor())),
        made(webhooks=()),
        made(webhooks=(msgspec.structs.replace(WEBHOOK, purpose=""),)),
        made(webhooks=(msgspec.structs.replace(WEBHOOK, region="us"),)),
        made(residency=NO_RESIDENCY),
        made(residency=msgspec.structs.replace(RESIDENCY, region="us")),
        made(residency=msgspec.structs.replace(RESIDENCY, transfers={})),
        made(residency=msgspec.structs.replace(RESIDENCY, transfers={"eu->us": Transfer("bcr", "contract 7")})),
        made(residency=msgspec.structs.replace(RESIDENCY, regions={**RESIDENCY.regions, "uk": Region()})),
    ]
    assert len({made(), *others}) == len(others) + 1
    assert made(webhooks=(msgspec.structs.replace(WEBHOOK, enabled=False),)) == made(webhooks=())
