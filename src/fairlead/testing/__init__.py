"""Suites that every implementation of one of our interfaces must pass, for our tests and for plugins'."""
