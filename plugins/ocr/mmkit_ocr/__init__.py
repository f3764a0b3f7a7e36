"""OCR for mmkit: pages to text, word pictures to words, and both as vectors of one space."""
