"""One module per component or group: which processes, with which configuration, and when each works."""
