"""Loading and running networks with onnxruntime; nothing else imports it."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError, OptionError, RuntimeUnavailableError

_PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
PROVIDERS = ("auto", *_PROVIDERS)
MAX_THREADS = 64


class OrtSession:
    """A ``Session`` (see ``pose_ros.core.protocols``) on onnxruntime."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._inputs = [i.name for i in session.get_inputs()]
        self._outputs = [o.name for o in session.get_outputs()]
        names = {long: short for short, long in _PROVIDERS.items()}
        first: str = session.get_providers()[0]
        self._provider = names.get(first, first)

    @property
    def provider(self) -> str:
        """What really runs the network, after any fallback."""
        return self._provider

    def run(self, *inputs: FloatArray) -> list[FloatArray]:
        """Run the network; inputs and outputs in the file's order.

        Raises:
            ModelError: The inputs do not fit the network.
        """
        try:
            outputs: list[FloatArray] = self._session.run(
                self._outputs, dict(zip(self._inputs, inputs, strict=True))
            )
        except ValueError as error:
            shapes = ", ".join(str(i.shape) for i in inputs)
            raise ModelError(f"the network takes {self._inputs}, got {shapes}: {error}") from error
        return outputs


def open_session(
    path: Path, provider: str = "auto", *, require_gpu: bool = False, threads: int = 2
) -> OrtSession:
    """Load an ONNX file.

    Args:
        path: The file.
        provider: ``auto`` takes CUDA where it is there and the CPU otherwise;
            TensorRT, which builds an engine for minutes first, must be asked for.
        require_gpu: Refuse to run on the CPU.
        threads: CPU threads for one run, 1 to 64.

    Raises:
        OptionError: An argument is out of its range.
        ModelError: The file is no network that onnxruntime can load.
        RuntimeUnavailableError: The provider is not there.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise OptionError(f"threads must be in [1, {MAX_THREADS}], got {threads}")
    wanted = choose_providers(provider, require_gpu, ort.get_available_providers())
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:  # onnxruntime's own classes share no public root
        raise ModelError(f"cannot load {path}: {error}") from error
    opened = OrtSession(session)
    if require_gpu and opened.provider == "cpu":
        raise RuntimeUnavailableError(
            "require_gpu is set but onnxruntime fell back to the CPU; check the CUDA installation"
        )
    return opened


def available_providers() -> list[str]:
    """Return the providers that this onnxruntime was built with, by our names."""
    available = ort.get_available_providers()
    return [short for short, long in _PROVIDERS.items() if long in available]


def choose_providers(provider: str, require_gpu: bool, available: list[str]) -> list[str]:
    """Return onnxruntime's provider list for a choice of ours.

    Args:
        provider: One of ``PROVIDERS``.
        require_gpu: Refuse to run on the CPU.
        available: onnxruntime's names of what was built into it.

    Raises:
        OptionError: ``provider`` is unknown.
        RuntimeUnavailableError: It is not available.
    """
    if provider not in PROVIDERS:
        raise OptionError(f"provider must be one of {', '.join(PROVIDERS)}, got {provider!r}")
    if require_gpu and provider == "cpu":
        raise OptionError("require_gpu contradicts provider 'cpu'")
    if provider == "auto":
        provider = "cuda" if _PROVIDERS["cuda"] in available else "cpu"
    if _PROVIDERS[provider] not in available or (require_gpu and provider == "cpu"):
        have = ", ".join(short for short, long in _PROVIDERS.items() if long in available)
        lacking = "a GPU provider" if provider == "cpu" else provider
        raise RuntimeUnavailableError(
            f"this onnxruntime has no {lacking} (it has {have}); "
            'for a GPU install onnxruntime-gpu: pip install "pose_ros[gpu]"'
        )
    chain = {"tensorrt": ("tensorrt", "cuda", "cpu"), "cuda": ("cuda", "cpu"), "cpu": ("cpu",)}
    return [_PROVIDERS[p] for p in chain[provider] if _PROVIDERS[p] in available]
