"""Training a captioner: from sentences alone, then from pictures and sentences that are not paired."""
