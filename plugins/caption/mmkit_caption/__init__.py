"""Captions for pictures, by a captioner that learns from sentences alone: the plugin ``caption`` of mmkit."""
