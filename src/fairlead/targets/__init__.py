"""Native forms that specs compile to: pure functions, one file each, named as the Kubernetes kind."""
