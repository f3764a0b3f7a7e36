"""The bundled LaMP at work: motions and texts to vectors, motions to words, words to motions.

N items, T frames, Q queries, E embedding.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmkit.config import Settings, settings
from mmkit.errors import ModelUnavailable, UsageError
from mmkit_motion.features import WIDTH, from_features, straighten, to_features
from mmkit_motion.skeleton import FPS
from mmkit_motion.texts import TextInput, TextReader

if TYPE_CHECKING:
    import torch

    from mmkit_motion.model.weights import Networks
    from mmkit_motion.reading import Clip

__all__ = ["BEST_QUERY", "WEIGHTS", "Lamp", "TextInput", "windows"]

WEIGHTS: Final = Path(__file__).parent / "weights"
#: Windows looked at together.
_BATCH: Final = 64
#: Whether a clip is scored by its best query or by the mean of all, as chosen on the validation clips.
BEST_QUERY: Final = False


def windows(joints: NDArray[np.floating], length: int, hop: int) -> list[tuple[int, int]]:
    """First and last frame (exclusive) of windows of ``length`` that cover T rows, the last flush at the end."""
    total = len(joints)
    if total <= length:
        return [(0, total)]
    starts = [*range(0, total - length, hop), total - length]
    return [(start, start + length) for start in dict.fromkeys(starts)]


class Lamp:
    """Networks and text tower, loaded when first used; safe to call from threads.

    Args:
        folder: weights as ``mmkit motion train`` writes them.
        chosen: where to run.
    """

    def __init__(self, folder: Path = WEIGHTS, chosen: Settings | None = None) -> None:
        self.folder = folder
        self.texts = TextReader(chosen or settings())
        self._lock = threading.Lock()
        self._networks: Networks | None = None

    @property
    def device(self) -> torch.device:
        return self.texts.device

    @property
    def networks(self) -> Networks:
        """Raises ModelUnavailable where weights are missing or damaged."""
        with self._lock:
            if self._networks is None:
                from safetensors import SafetensorError

                from mmkit_motion.model.weights import load_networks

                try:
                    self._networks = load_networks(self.folder).to(self.device)
                except (OSError, ValueError, RuntimeError, SafetensorError) as error:
                    raise ModelUnavailable(
                        f"the motion weights cannot be read: {str(error).splitlines()[0]}",
                        where=str(self.folder),
                        mend="install mmkit-motion again, or name a folder of mmkit motion train",
                    ) from error
            return self._networks

    @property
    def frames(self) -> int:
        """The most frames looked at in one piece."""
        return self.networks.sizes.frames

    # Motions

    def motion_input(self, joints: NDArray[np.floating]) -> list[NDArray[np.float32]]:
        """Normalised features of the pieces of (T, 22, 3) joints, each (4 k, 263) and at most 196 long."""
        rows = self._normalised(joints)
        if len(rows) < 4:
            rows = np.concatenate([rows, np.repeat(rows[-1:], 4 - len(rows), axis=0)])
        pieces = windows(rows, self.frames, self.frames // 2)
        return [rows[start : start + (end - start) // 4 * 4] for start, end in pieces]

    def moment_inputs(
        self, joints: NDArray[np.floating], spans: Sequence[tuple[int, int]]
    ) -> list[list[NDArray[np.float32]]]:
        """``motion_input`` of spans of frames of (T, 22, 3) joints, all of one length from 5 frames to 196, at once."""
        rows = self._normalised(np.stack([joints[start:end] for start, end in spans]))
        return [[one[: len(one) // 4 * 4]] for one in rows]

    def _normalised(self, joints: NDArray[np.floating]) -> NDArray[np.float32]:
        """Features (..., T - 1, 263) of (..., T, 22, 3) joints, straightened first, as the networks take them."""
        networks = self.networks
        rows = to_features(straighten(joints))
        return np.asarray((rows - networks.mean.cpu().numpy()) / networks.std.cpu().numpy(), np.float32)

    def motion_vectors(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(N, Q, E) unit rows of N pieces."""
        import torch

        query, sizes = self.networks.query, self.networks.sizes

        def read(part: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
            with torch.inference_mode():
                vectors = query.motion_vectors(query.read_motion(*self.motion_memory(part)))
                return np.asarray(vectors.float().cpu().numpy())

        out = [np.zeros((0, sizes.queries, sizes.embedding), np.float32)]
        for start in range(0, len(inputs), _BATCH):
            out += self.texts.in_parts(read, inputs[start : start + _BATCH])
        return np.concatenate(out)

    def motion_memory(self, inputs: Sequence[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Motion memory (N, L, D) and mask (N, L)."""
        import torch

        networks, device = self.networks, self.device
        longest = max(len(rows) for rows in inputs)
        padded = np.zeros((len(inputs), longest, WIDTH), np.float32)
        mask = np.zeros((len(inputs), longest), np.bool_)
        for number, rows in enumerate(inputs):
            padded[number, : len(rows)] = rows
            mask[number, : len(rows)] = True
        full = torch.from_numpy(mask).to(device)
        states = networks.vqvae.encode(torch.from_numpy(padded).to(device), full)
        return networks.query.motion_memory(states), full[:, ::4]

    # Texts

    def text_inputs(self, texts: Sequence[str]) -> list[TextInput]:
        """Tokens and pooled vectors of texts, by the core's text tower."""
        return self.texts.inputs(texts, most=self.networks.sizes.tokens)

    def text_vectors(self, inputs: Sequence[TextInput]) -> NDArray[np.float32]:
        """(N, E) unit rows."""
        import torch

        if not inputs:
            return np.zeros((0, self.networks.sizes.embedding), np.float32)
        query = self.networks.query

        def read(part: Sequence[TextInput]) -> NDArray[np.float32]:
            with torch.inference_mode():
                words, mask, pooled = self.texts.words(part)
                vectors = query.text_vectors(query.read_text(words, pooled, mask), pooled)
                return np.asarray(vectors.float().cpu().numpy())

        return np.concatenate(self.texts.in_parts(read, inputs))

    # Both

    #: How an evaluation names what measured it.
    name: Final = "LaMP, bundled with mmkit-motion"

    def scores(self, clips: Sequence[Clip], texts: Sequence[str], *, best: bool = BEST_QUERY) -> NDArray[np.float32]:
        """(N, C) cosines of N clips and C texts: of the best query, or of the queries' mean."""
        asked = self.text_vectors(self.text_inputs(texts))
        return np.stack([(rows @ asked.T).max(0) for rows in self.clip_vectors(clips, best=best)])

    def clip_vectors(self, clips: Sequence[Clip], *, best: bool = BEST_QUERY) -> list[NDArray[np.float32]]:
        """For each clip the unit rows it is scored by: (Q, E) of each of its pieces, or (1, E) their mean."""
        pieces = [self.motion_input(clip.joints) for clip in clips]
        vectors = self.motion_vectors([piece for own in pieces for piece in own])
        out, start = [], 0
        for own in pieces:
            rows = vectors[start : start + len(own)].reshape(-1, vectors.shape[-1])
            start += len(own)
            mean = rows.mean(0, keepdims=True)
            out.append(rows if best else mean / np.linalg.norm(mean))
        return out

    def text_cosines(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(C, C) cosines of the text tower's pooled vectors."""
        pooled = np.stack([text.pooled for text in self.text_inputs(texts)])
        return np.asarray(pooled @ pooled.T)

    # Words from motions

    def captions(self, inputs: Sequence[NDArray[np.float32]], *, beams: int = 4) -> list[str]:
        """A sentence for each piece of motion, the best of a beam search by mean log-probability."""
        from mmkit_motion.captioning import search_caption

        networks = self.networks
        vocabulary = (0, *networks.vocabulary)
        # CMU's own lines stand behind a colon in the corpus; no caption that a person wrote has one.
        colon = [place for place, token in enumerate(vocabulary) if place and self.texts.decode([token]) == ":"]

        def say(part: Sequence[NDArray[np.float32]]) -> list[str]:
            out = []
            for piece in part:
                memory, mask = self.motion_memory([piece])
                said = search_caption(
                    networks.query,
                    memory,
                    mask,
                    vocabulary=vocabulary,
                    embed=self.texts.embed,
                    beams=beams,
                    without=colon,
                )
                out.append(self.texts.decode([vocabulary[word] for word in said]))
            return out

        return [text for part in self.texts.in_parts(say, inputs) for text in part]

    # Motions from words

    def generate(
        self,
        text: str,
        *,
        seconds: float,
        seed: int = 0,
        guidance: float = 4.0,
        steps: int = 10,
        temperature: float = 1.0,
    ) -> NDArray[np.float32]:
        """(T, 22, 3) joints of a motion that fits a text.

        Raises:
            UsageError: no text, or a length that cannot be made.
        """
        return self.generate_many(
            [text], seconds=[seconds], seed=seed, guidance=guidance, steps=steps, temperature=temperature
        )[0]

    def generate_many(
        self,
        texts: Sequence[str],
        *,
        seconds: Sequence[float],
        seed: int = 0,
        guidance: float = 4.0,
        steps: int = 10,
        temperature: float = 1.0,
    ) -> list[NDArray[np.float32]]:
        """As ``generate``, many at once."""
        import torch

        networks, device = self.networks, self.device
        longest = networks.sizes.frames / FPS
        if any(not text.strip() for text in texts):
            raise UsageError("Expected a description of a motion, but received an empty text")
        if wrong := [length for length in seconds if not 0.4 <= length <= longest]:
            raise UsageError(f"Expected 0.4 to {longest:.1f} seconds, but received {wrong[0]:g}")
        counts = torch.tensor([max(2, round(length * FPS / 4)) for length in seconds], device=device)
        source = torch.Generator(device=device).manual_seed(seed)
        query = networks.query
        with torch.inference_mode():
            words, mask, pooled = self.texts.words(self.text_inputs(texts))
            condition = query.read_for_motion(query.read_text(words, pooled, mask), mask).mean(1)
            codes = networks.generator.sample(
                condition, counts, guidance=guidance, steps=steps, temperature=temperature, generator=source
            )
            keep = torch.arange(codes.shape[1], device=device) < counts[:, None]
            made = networks.vqvae.decode(networks.vqvae.codebook.codes[codes], keep)
            rows = (made * networks.std + networks.mean).cpu().numpy()
        joints = [from_features(row[: 4 * int(count)]) for row, count in zip(rows, counts.tolist(), strict=True)]
        return [straighten(one).astype(np.float32) for one in joints]
