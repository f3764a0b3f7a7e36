"""The PP-OCR models that the package rapidocr brings, as ONNX Runtime sessions; its code is not imported."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmkit.errors import ModelUnavailable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["model_path", "session"]

Part = Literal["det", "rec", "cls"]


@cache
def model_path(part: Part) -> Path:
    """The model of the detector, the recogniser or the classifier of upside-down lines.

    Raises:
        ModelUnavailable: rapidocr is not installed, or brings no such model.
    """
    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable("the package rapidocr is not installed", mend="install it with: pip install rapidocr")
    found = sorted((Path(next(iter(spec.submodule_search_locations))) / "models").glob(f"*_{part}_*.onnx"))
    if not found:
        raise ModelUnavailable(
            f"the package rapidocr brings no {part} model", mend="install rapidocr 3.10 or a later 3.x"
        )
    return found[-1]


def session(path: Path, *, device: str = "auto") -> InferenceSession:
    """An ONNX Runtime session; on a GPU where ``device`` allows it and the installed runtime has one.

    Raises:
        ModelUnavailable: the file cannot be loaded, or the runtime has no such device.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    providers = ["CPUExecutionProvider"]
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device.startswith("cuda") and not cuda:
        raise ModelUnavailable("this onnxruntime has no CUDA", mend="install onnxruntime-gpu, or use --device cpu")
    if cuda and (device == "auto" or device.startswith("cuda")):
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Pages differ in size, and an arena would keep the largest buffers of each for ever.
    options.enable_cpu_mem_arena = False
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > 0:
        options.intra_op_num_threads = int(threads)
    try:
        return onnxruntime.InferenceSession(os.fspath(path), sess_options=options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions share no public base
        reason = " ".join(str(error).split())
        raise ModelUnavailable(f"cannot be loaded ({reason})", where=str(path)) from error
