"""The only Kubernetes client of Fairlead: raw JSON, one connection pool, one list and watch per kind."""
