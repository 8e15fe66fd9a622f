"""The local engine: every attempt is a process of this machine."""
