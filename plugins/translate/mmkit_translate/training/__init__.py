"""Training of the bundled translator."""
