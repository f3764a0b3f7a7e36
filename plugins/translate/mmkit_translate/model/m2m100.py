"""Our weights in transformers' M2M-100, which has the same structure: to compare results and speed.

The prefix has no place there: the decoder reads ``[</s>, <language>, y_1 ..]``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmkit.encoders.torchvision_guard import guard_torchvision
from mmkit.generation.attention import Attention
from mmkit_translate.model.network import Network

__all__ = ["as_m2m100"]


def as_m2m100(network: Network, *, pad: int) -> Any:
    """An ``M2M100ForConditionalGeneration`` with the same weights, ready to generate. Needs transformers."""
    guard_torchvision()
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    sizes = network.sizes.text
    config = M2M100Config(
        vocab_size=sizes.vocabulary,
        d_model=sizes.width,
        encoder_layers=sizes.encoder_layers,
        decoder_layers=sizes.decoder_layers,
        encoder_attention_heads=sizes.heads,
        decoder_attention_heads=sizes.heads,
        encoder_ffn_dim=sizes.feedforward,
        decoder_ffn_dim=sizes.feedforward,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        activation_function="relu",
        scale_embedding=True,
        max_position_embeddings=512,
        pad_token_id=pad,
        bos_token_id=network.eos,
        eos_token_id=network.eos,
        decoder_start_token_id=network.eos,
    )
    model = M2M100ForConditionalGeneration(config).eval()
    state: dict[str, Tensor] = {"model.shared.weight": network.decoder.tokens.weight}
    for side, layers in (("encoder", network.encoder.layers), ("decoder", network.decoder.layers)):
        for number, layer in enumerate(layers):
            name = f"model.{side}.layers.{number}"
            state |= _attention(f"{name}.self_attn", layer.attention)
            state |= _plain(f"{name}.self_attn_layer_norm", layer.attention_norm)
            if side == "decoder":
                state |= _attention(f"{name}.encoder_attn", layer.cross)
                state |= _plain(f"{name}.encoder_attn_layer_norm", layer.cross_norm)
            state |= _plain(f"{name}.fc1", layer.feedforward.inner) | _plain(f"{name}.fc2", layer.feedforward.outer)
            state |= _plain(f"{name}.final_layer_norm", layer.feedforward_norm)
        state |= _plain(f"model.{side}.layer_norm", getattr(network, side).norm)
    missing, unexpected = model.load_state_dict(state, strict=False)
    # Tied copies of the embeddings are missing, and nothing else may be.
    wrong = [name for name in missing if "embed" not in name and "lm_head" not in name]
    if wrong or unexpected:
        raise ValueError(f"Expected the structure of M2M-100, but {[*wrong, *unexpected]} do not fit")
    model.tie_weights()
    return model


def _plain(name: str, layer: Any) -> dict[str, Tensor]:
    return {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}


def _attention(name: str, attention: Attention) -> dict[str, Tensor]:
    state = _plain(f"{name}.q_proj", attention.query) | _plain(f"{name}.out_proj", attention.output)
    layer: nn.Linear = attention.key_value
    for projection, weight, bias in zip("kv", layer.weight.chunk(2), layer.bias.chunk(2), strict=True):
        state |= {f"{name}.{projection}_proj.weight": weight, f"{name}.{projection}_proj.bias": bias}
    return state
