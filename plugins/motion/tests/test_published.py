"""The published models' loaders, on tiny checkpoints of the same architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmkit_motion.published import load_published
from mmkit_motion.published.tmr import ActorEncoder
from mmkit_motion.reading import Clip
from torch import nn

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.errors import ModelUnavailable, UsageError

guard_torchvision()
transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "person", "walks", "kicks"]


def _language(folder: Path, *, model: bool) -> None:
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    if model:
        config = transformers.DistilBertConfig(vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=32)
        transformers.DistilBertModel(config).save_pretrained(folder)


@pytest.fixture
def tmr(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    for name, features in (("motion", 263), ("text", 16)):
        torch.save(ActorEncoder(features, 16, 32, 2, 2).state_dict(), tmp_path / f"{name}_encoder.pt")
    torch.save(torch.zeros(263), tmp_path / "mean.pt")
    torch.save(torch.ones(263), tmp_path / "std.pt")
    _language(tmp_path / "distilbert", model=True)
    return tmp_path


def _linear(name: str, out: int, given: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.randn(out, given) * 0.1, f"{name}.bias": torch.zeros(out)}


def _norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}


def _lamp_state(width: int = 64, code: int = 8, looked: int = 20) -> dict[str, torch.Tensor]:
    state = {"query_tokens": torch.randn(1, 5, width), "motion_projection": torch.randn(code, looked)}
    state |= _linear("motion_proj", 12, width) | _linear("text_proj", 12, width)
    encoder = nn.Sequential(nn.Conv1d(263, code, 3, 1, 1), nn.ReLU())
    for name, value in encoder.state_dict().items():
        state[f"motion_encoder.model.{name}"] = value
    for block in (2, 3):
        name = f"motion_encoder.model.{block}"
        for key, value in nn.Conv1d(code, code, 4, 2, 1).state_dict().items():
            state[f"{name}.0.{key}"] = value
        for number in range(2):
            for conv, size in (("conv1", 3), ("conv2", 1)):
                for key, value in nn.Conv1d(code, code, size).state_dict().items():
                    state[f"{name}.1.model.{number}.{conv}.{key}"] = value
    for key, value in nn.Conv1d(code, code, 3, 1, 1).state_dict().items():
        state[f"motion_encoder.model.4.{key}"] = value
    bert = "Qformer.bert."
    state[f"{bert}embeddings.word_embeddings.weight"] = torch.randn(len(WORDS), width)
    state[f"{bert}embeddings.position_embeddings.weight"] = torch.randn(40, width)
    state |= _norm(f"{bert}embeddings.LayerNorm", width)
    for layer in range(2):
        name = f"{bert}encoder.layer.{layer}."
        for kind, memory in (("attention", width), ("crossattention", looked)):
            if kind == "crossattention" and layer:
                continue
            state |= _linear(f"{name}{kind}.self.query", width, width)
            for part in ("key", "value"):
                state |= _linear(f"{name}{kind}.self.{part}", width, memory)
            state |= _linear(f"{name}{kind}.output.dense", width, width)
            state |= _norm(f"{name}{kind}.output.LayerNorm", width)
        for ending in ("", "_query"):
            state |= _linear(f"{name}intermediate{ending}.dense", 2 * width, width)
            state |= _linear(f"{name}output{ending}.dense", width, 2 * width)
            state |= _norm(f"{name}output{ending}.LayerNorm", width)
    return state


@pytest.fixture
def lamp(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save({"model": _lamp_state()}, tmp_path / "lamp.pth")
    np.save(tmp_path / "mean.npy", np.zeros(263, np.float32))
    np.save(tmp_path / "std.npy", np.ones(263, np.float32))
    _language(tmp_path / "bert", model=False)
    return tmp_path


@pytest.mark.parametrize("kind", ["tmr", "lamp"])
def test_a_checkpoint_scores_motions_against_texts(
    kind: str, request: pytest.FixtureRequest, walk: np.ndarray, kick: np.ndarray
) -> None:
    model = load_published(f"{kind}:{request.getfixturevalue(kind)}")
    clips, texts = [Clip("walk", walk), Clip("kick", kick)], ["a person walks", "a person kicks"]
    scores = model.scores(clips, texts)
    assert scores.shape == (2, 2)
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() <= 1 + 1e-5
    assert np.allclose(model.scores(clips[::-1], texts), scores[::-1], atol=1e-5)
    assert np.allclose(np.diag(model.text_cosines(texts)), 1, atol=1e-5)


def test_a_query_former_equals_the_bert_of_transformers() -> None:
    """Without queries and memory the text side is plain BERT."""
    from mmkit_motion.published import PublishedLamp

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=128
    )
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    model = PublishedLamp.__new__(PublishedLamp)
    model._state = {f"Qformer.bert.{name}": value for name, value in bert.state_dict().items()}
    types = model._state["Qformer.bert.embeddings.token_type_embeddings.weight"]
    model._layers = 2
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    words = model._state["Qformer.bert.embeddings.word_embeddings.weight"][ids]
    words = words + model._state["Qformer.bert.embeddings.position_embeddings.weight"][:5] + types[0]
    with torch.no_grad():
        found = model._bert(model._norm("embeddings.LayerNorm", words), None, query=False)
        assert torch.allclose(found, bert(ids).last_hidden_state, atol=1e-5)


def test_another_architecture_is_told(tmr: Path, lamp: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmr / "motion_encoder.pt")
    with pytest.raises(ModelUnavailable, match="no encoder of TMR"):
        load_published(f"tmr:{tmr}")
    state = _lamp_state()
    del state["query_tokens"]
    torch.save(state, lamp / "lamp.pth")
    with pytest.raises(ModelUnavailable, match="query_tokens"):
        load_published(f"lamp:{lamp}")


def test_a_checkpoint_that_would_run_code_is_refused(tmr: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("unpickled",))

    torch.save({"state_dict": Evil()}, tmr / "motion_encoder.pt")
    with pytest.raises(ModelUnavailable, match="more than weights"):
        load_published(f"tmr:{tmr}")


def test_missing_files_and_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no such file"):
        load_published(f"lamp:{tmp_path}")
    with pytest.raises(UsageError, match="tmr:FOLDER"):
        load_published("clip:somewhere")
