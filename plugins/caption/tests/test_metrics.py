"""The metrics against the field's own implementation, on captions good, bad and degenerate."""

from __future__ import annotations

import random

import pytest
from mmkit_caption.metrics.bleu import bleu
from mmkit_caption.metrics.cider import cider_d
from mmkit_caption.metrics.meteor import meteor_exact_stem, stem
from mmkit_caption.metrics.rouge import longest_common, rouge_l
from mmkit_caption.metrics.tokens import caption_words
from mmkit_caption.scoring import clip_score, score_captions, variety

TEXT = "a the dog dogs cat runs run running on beach with red ball man woman two sits"


def cases(count: int = 100, *, seed: int = 0) -> tuple[list[list[str]], list[list[list[str]]]]:
    """Captions with references: random ones, and at the start every degenerate kind."""
    chance = random.Random(seed)
    known = TEXT.split()

    def text(least: int = 1, most: int = 14) -> list[str]:
        return [chance.choice(known) for _ in range(chance.randint(least, most))]

    captions: list[list[str]] = [[], ["dog"], ["dog"] * 12, ["zebra", "quagga"], ["a", "dog", "runs"], text(40, 60)]
    references: list[list[list[str]]] = [
        [["a", "dog"]],
        [["dog"]],
        [["dog"], ["a", "dog"]],
        [text()],
        [["a", "dog", "runs"]] * 5,
        [text(), ["a"]],
    ]
    while len(captions) < count:
        captions.append(text())
        references.append([text() for _ in range(chance.randint(1, 5))])
        if chance.random() < 0.2:
            captions[-1] = list(references[-1][0])
    return captions, references


def as_coco(captions: list[list[str]], references: list[list[list[str]]]) -> tuple[dict, dict]:  # type: ignore[type-arg]
    told = {number: [" ".join(words)] for number, words in enumerate(captions)}
    known = {number: [" ".join(words) for words in group] for number, group in enumerate(references)}
    return known, told


def test_bleu_equals_the_reference() -> None:
    module = pytest.importorskip("pycocoevalcap.bleu.bleu")
    captions, references = cases()
    theirs, _ = module.Bleu(4).compute_score(*as_coco(captions, references), verbose=0)
    assert bleu(captions, references) == pytest.approx(theirs, abs=1e-4)
    for caption, group in zip(captions, references, strict=True):
        theirs, _ = module.Bleu(4).compute_score(*as_coco([caption], [group]), verbose=0)
        assert bleu([caption], [group]) == pytest.approx(theirs, abs=1e-4)


def test_rouge_equals_the_reference() -> None:
    module = pytest.importorskip("pycocoevalcap.rouge.rouge")
    captions, references = cases()
    known, told = as_coco(captions, references)
    _, theirs = module.Rouge().compute_score(known, told)
    # The reference splits the empty caption into one empty word.
    ours = [rouge_l(words or [""], group) for words, group in zip(captions, references, strict=True)]
    assert ours == pytest.approx(list(theirs), abs=1e-4)
    assert rouge_l([], [["a", "dog"]]) == 0.0


def test_cider_equals_the_reference() -> None:
    module = pytest.importorskip("pycocoevalcap.cider.cider")
    captions, references = cases()
    mean, theirs = module.Cider().compute_score(*as_coco(captions, references))
    ours = cider_d(captions, references)
    assert ours == pytest.approx(list(theirs), abs=1e-4)
    assert sum(ours) / len(ours) == pytest.approx(mean, abs=1e-4)


def test_meteor_equals_the_reference_without_its_synonyms() -> None:
    module = pytest.importorskip("nltk.translate.meteor_score")

    class NoWordnet:
        def synsets(self, word: str) -> list[str]:
            return []

    class Stemmer:
        def stem(self, word: str) -> str:
            return stem(word)

    captions, references = cases()
    for words, group in zip(captions, references, strict=True):
        theirs = module.meteor_score(group, words, stemmer=Stemmer(), wordnet=NoWordnet())
        assert meteor_exact_stem(words, group) == pytest.approx(theirs, abs=1e-4)


def test_a_caption_equal_to_its_references_is_perfect() -> None:
    words = ["a", "dog", "runs", "on", "the", "beach"]
    assert bleu([words], [[words]]) == pytest.approx([1.0] * 4, abs=1e-6)
    assert rouge_l(words, [words]) == pytest.approx(1.0)
    other = ["two", "men", "sit", "in", "a", "car"]
    assert cider_d([words, other], [[words], [other]]) == pytest.approx([10.0, 10.0])


def test_one_picture_alone_has_no_cider() -> None:
    # Every n-gram occurs in every document, so none of them tells anything.
    assert cider_d([["a", "dog"]], [[["a", "dog"]]]) == [0.0]


def test_missing_references_are_refused() -> None:
    for metric in (bleu, cider_d):
        with pytest.raises(ValueError, match="references"):
            metric([["a"]], [[]])
    with pytest.raises(ValueError, match="reference"):
        rouge_l(["a"], [])
    with pytest.raises(ValueError, match="caption"):
        score_captions([], [])


def test_longest_common_is_a_subsequence() -> None:
    assert longest_common(["a", "x", "b", "y", "c"], ["a", "b", "c"]) == 3
    assert longest_common([], ["a"]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog's ball isn't red .", "a dog 's ball is n't red"),
        ("Two men , in T-shirts , sit (outside) .", "two men in t-shirts sit outside"),
        ("The end. A dog!", "the end a dog"),
        ("It is 3.5 miles...", "it is 3.5 miles"),
        ('A man says "hello"', "a man says hello"),
        ("", ""),
        ("Zwei Männer über Straßen.", "zwei männer über straßen"),
    ],
)
def test_words_are_those_of_the_penn_treebank_without_punctuation(text: str, words: str) -> None:
    assert caption_words(text) == words.split()


def test_variety_counts_what_differs() -> None:
    found = variety([["a", "dog"], ["a", "dog"], ["a", "cat"]])
    assert found["distinct1"] == pytest.approx(3 / 6)
    assert found["distinct_captions"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["mean_length"] == 2
    assert variety([])["distinct1"] == 0


def test_clip_score_is_cosine_times_two_and_a_half() -> None:
    import numpy as np

    rows = np.eye(3, dtype=np.float32)
    assert clip_score(rows, rows) == pytest.approx(2.5)
    assert clip_score(rows, -rows) == 0.0
