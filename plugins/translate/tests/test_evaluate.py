"""The scores and how sure a difference is."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from mmkit_translate.evaluate import paired_bootstrap, rotated, scores

from mmkit.errors import UsageError

WANTED = ["Ein Hund läuft durch den tiefen Schnee.", "Zwei Männer kochen in der Küche.", "Das rote Auto ist sehr alt."]
OTHER = ["Ein Hund rennt durch den tiefen Schnee.", "Zwei Männer kochen in einer Küche.", "Das Auto ist rot."]


def test_scores_are_sacrebleus():
    found = scores(OTHER, WANTED)
    assert found["bleu"] == round(sacrebleu.corpus_bleu(OTHER, [WANTED]).score, 2)
    assert found["chrf"] == round(sacrebleu.corpus_chrf(OTHER, [WANTED]).score, 2)
    assert scores(WANTED, WANTED)["bleu"] == 100.0
    assert scores([], [])["bleu"] == 0.0
    with pytest.raises(UsageError, match="Expected 3 lines"):
        scores(OTHER[:2], WANTED)


def test_a_system_does_not_differ_from_itself_and_a_better_one_is_told():
    same = paired_bootstrap(OTHER, OTHER, WANTED)
    assert same == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    many = [WANTED * 20, OTHER * 20, WANTED * 20]
    better = paired_bootstrap(*many)
    whole = 100.0 - sacrebleu.corpus_bleu(many[1], [many[2]]).score
    assert better["difference"] == pytest.approx(whole, abs=0.01)
    assert 0 < better["low"] < better["difference"] < better["high"] and better["p"] < 0.01
    assert paired_bootstrap([], [], [])["p"] == 1.0


def test_rotated_rows_are_all_wrong():
    rows = np.arange(10)[:, None]
    assert (rotated(rows) != rows).all() and sorted(rotated(rows)[:, 0]) == list(range(10))
