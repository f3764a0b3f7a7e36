"""Training: stage 1 from words alone, stage 2 from pictures of words."""
