"""The metrics of captioning as pure functions of words: BLEU, ROUGE-L, CIDEr-D, METEOR's exact and stem stages."""
