"""Recognisers of other projects behind the same contract as the bundled one."""
