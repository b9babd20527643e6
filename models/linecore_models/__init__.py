"""Making models, offline; `bundle` and `preprocessing` are also what serving needs."""
