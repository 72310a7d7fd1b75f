"""Business impact, measured: what a change brought, how sure that is, and what cannot be told from nothing."""
