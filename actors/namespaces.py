"""Where the actors of a tenant are found: each tenant has a Ray namespace of its own, on nodes of its region."""

NAMESPACE = "onefold"
REGION_LABEL = "onefold-region"  # of Ray nodes: where they are


def namespace_of(tenant: str) -> str:
    """The Ray namespace of a tenant's actors; `tenant` is empty for the default one."""
    return f"{NAMESPACE}.{tenant}" if tenant else NAMESPACE
