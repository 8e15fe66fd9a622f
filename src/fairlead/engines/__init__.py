"""What starts and watches work."""
