"""Loading and running networks with onnxruntime; nothing else imports it."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError, RuntimeUnavailableError
from pose_ros.files import Progress, locked, print_progress, sha256_of
from pose_ros.runtime.onnx_file import Signature, check_external_data
from pose_ros.runtime.providers import (
    ENGINE_CURE,
    EXACT_PRODUCTS,
    LONG_NAMES,
    Inputs,
    batch_is_free,
    check_precision,
    choose_providers,
    engine_conflict,
    installed_engines,
    provider_options,
    session_entries,
)
from pose_ros.settings.estimation import EngineOptions

_LOG = logging.getLogger(__name__)

# for a program that loaded onnxruntime before pose_ros.runtime could set the variable
ort.disable_telemetry_events()

_SHORT_NAMES = {long: short for short, long in LONG_NAMES.items()}
MAX_SHAPES = 32
"""Shapes of inputs whose buffers on a device are kept at most."""

# A network in half or double precision takes and gives float32 here: `run` converts.
_CONVERTED = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
# What `run` takes for each type of tensor.
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    **dict.fromkeys(_CONVERTED, np.float32),
}

# onnxruntime's own classes share no root, and with buffers that are kept it raises others
_BROKE = (
    RuntimeError,
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.RuntimeException,
)


# What ends the run of a network in a thread, by the thread's number.
_RUNS: dict[int, ort.RunOptions] = {}


@contextlib.contextmanager
def _interruptible() -> Iterator[ort.RunOptions]:
    """Give the options of a run in this thread, by which another thread may end it."""
    thread, options = threading.get_ident(), ort.RunOptions()
    _RUNS[thread] = options
    try:
        yield options
    finally:
        _RUNS.pop(thread, None)


def interrupt(thread: int) -> None:
    """End the run of a network that does not return; it raises RuntimeUnavailableError.

    It ends between two operators of the network. Where no network runs nothing happens.

    Args:
        thread: Identifier of the thread that runs it.
    """
    options = _RUNS.get(thread)
    if options is not None:
        options.terminate = True


def engine_version() -> str:
    """Return the version of what runs networks."""
    return str(ort.__version__)


class OrtSession:
    """A ``Session`` (see ``pose_ros.core.types``) on onnxruntime."""

    def __init__(self, session: ort.InferenceSession, device: str | None = None) -> None:
        """Take over a loaded network.

        Args:
            session: The network.
            device: Memory, ``cuda`` or ``cpu``, in which inputs and outputs are kept from
                run to run; None for that of a GPU that runs the network. On the CPU
                nothing is kept: it saves less than 1% of a run there.
        """
        self._session = session
        self._inputs = session.get_inputs()
        self._outputs = [o.name for o in session.get_outputs()]
        self._one_by_one = all(i.shape[:1] == [1] for i in self._inputs)
        self._provider = _provider_of(session)
        self._device = device or (None if self._provider == "cpu" else "cuda")
        self._bindings: dict[tuple[tuple[int, ...], ...], _Binding] = {}

    @property
    def provider(self) -> str:
        """What really runs the network, after any fallback: ``cpu``, ``cuda`` or ``tensorrt``."""
        return self._provider

    @property
    def kept_shapes(self) -> int:
        """For how many shapes of inputs buffers are kept."""
        return len(self._bindings)

    def run(self, *inputs: FloatArray) -> list[FloatArray]:
        """Run the network; inputs and outputs in the order of the file, or of ``select``.

        Inputs and outputs are float32 even where the network has float16 or float64. The
        outputs belong to the caller: a later run leaves them as they are. A batch is given
        image by image to a network that takes one at a time.

        Raises:
            ModelError: The inputs do not fit the network.
            RuntimeUnavailableError: The provider broke down, a GPU without memory say.
        """
        if self._one_by_one and len(inputs[0]) > 1:
            rows = [self.run(*(i[n : n + 1] for i in inputs)) for n in range(len(inputs[0]))]
            return [np.concatenate(values) for values in zip(*rows, strict=True)]
        if len(inputs) != len(self._inputs) or not all(map(_fits, inputs, self._inputs)):
            takes = ", ".join(f"{i.name} {i.shape} {i.type}" for i in self._inputs)
            got = ", ".join(f"{array.shape} {array.dtype}" for array in inputs)
            raise ModelError(f"the network takes {takes}; got {got}")
        named = {
            i.name: array.astype(_CONVERTED[i.type]) if i.type in _CONVERTED else array
            for i, array in zip(self._inputs, inputs, strict=True)
        }
        try:
            with _interruptible() as options:
                if self._device:
                    bound = self._bound(named, self._device)
                    outputs = bound.run(list(named.values()), options)
                else:
                    outputs = self._session.run(self._outputs, named, options)
        except _BROKE as error:
            raise RuntimeUnavailableError(
                f"{self._provider} cannot run the network: {_line(error)}"
            ) from error
        return [
            output.astype(np.float32) if output.dtype in (np.float16, np.float64) else output
            for output in outputs
        ]

    def select(self, signature: Signature, file: str) -> None:
        """Let ``run`` take and give what a signature names, in its order.

        Raises:
            ModelError: The network has another one; ``file`` is what the message calls it.
        """
        _signature_of(self._session).require(signature, file)
        inputs = {i.name: i for i in self._inputs}
        self._inputs = [inputs[name] for name in signature.inputs]
        self._outputs = list(signature.outputs)

    def _bound(self, inputs: dict[str, FloatArray], device: str) -> _Binding:
        """Return the buffers for inputs of these shapes; the number of people changes them."""
        shapes = tuple(array.shape for array in inputs.values())
        if shapes not in self._bindings:
            if len(self._bindings) == MAX_SHAPES:
                self._bindings.clear()
            self._bindings[shapes] = _Binding(self._session, inputs, self._outputs, device)
        return self._bindings[shapes]


class _Binding:
    """Inputs and outputs of one set of shapes that stay on a device from run to run."""

    def __init__(
        self,
        session: ort.InferenceSession,
        inputs: dict[str, FloatArray],
        outputs: Sequence[str],
        device: str,
    ) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._inputs = []
        for name, array in inputs.items():
            value = ort.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype, device, 0)
            self._binding.bind_ortvalue_input(name, value)
            self._inputs.append(value)
        for name in outputs:
            # allocated by the first run, and used again by the next ones
            self._binding.bind_output(name, device, 0)

    def run(self, inputs: Sequence[FloatArray], options: ort.RunOptions) -> list[FloatArray]:
        for value, array in zip(self._inputs, inputs, strict=True):
            value.update_inplace(np.ascontiguousarray(array))
        self._session.run_with_iobinding(self._binding, options)
        outputs: list[FloatArray] = self._binding.copy_outputs_to_cpu()
        return outputs


def open_session(
    path: Path,
    provider: str = EngineOptions.provider,
    *,
    require_gpu: bool = EngineOptions.require_gpu,
    threads: int = EngineOptions.threads,
    precision: str = EngineOptions.precision,
    progress: Progress = print_progress,
) -> OrtSession:
    """Load an ONNX file.

    A provider that is asked for but cannot run the network is given up with a warning
    in the log, and the next best runs it; ``OrtSession.provider`` says which that is.

    Args:
        path: The file.
        provider: ``auto`` takes CUDA where it is there and the CPU otherwise;
            TensorRT, which builds an engine for minutes first, must be asked for. The
            engine is kept beside the file.
        require_gpu: Refuse to run on the CPU.
        threads: CPU threads for one run, 1 to 64.
        precision: ``fp32``, or ``fp16`` on a GPU: half the memory, less exact. Inputs
            and outputs are float32 all the same. ``int8`` says that the file is in
            whole numbers, which are for the CPU.
        progress: Called with a line when something takes minutes.

    Raises:
        OptionError: An argument is out of its range.
        ModelError: The file is no network that onnxruntime can load.
        RuntimeUnavailableError: The provider is not there.
    """
    EngineOptions(threads=threads)  # refuses a number out of its range
    check_precision(precision, provider)
    check_external_data(path)
    warn_of_conflict()
    chain = choose_providers(provider, require_gpu, ort.get_available_providers())
    asked = _SHORT_NAMES[chain[0]]
    reason = ""
    while True:
        try:
            session = _load(path, chain, precision, threads, progress)
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"precision fp16 on cuda needs {error.name}: "
                'run pip install "pose_ros[models]", or use precision fp32 or provider tensorrt'
            ) from error
        except Exception as error:  # onnxruntime's own classes share no public root
            if len(chain) == 1:
                raise ModelError(f"cannot load {path}: {_line(error)}") from error
            reason = reason or f": {_line(error)}"
            chain = chain[1:]
            continue
        if session.provider == _SHORT_NAMES[chain[0]]:
            break
        # once more without what did not come: a network in fp16 is not for the CPU
        chain = chain[chain.index(LONG_NAMES[session.provider]) :]
    if session.provider != asked:
        reason = reason or "; check the installation of CUDA, cuDNN and TensorRT"
        said = f"{path.name} runs on {session.provider}: {asked} cannot run it{reason}"
        if require_gpu and session.provider == "cpu":
            raise RuntimeUnavailableError(f"require_gpu is set, but {said}")
        _LOG.warning(said)
    if precision == "fp16" and session.provider == "cpu":
        _LOG.warning("%s runs in fp32: the CPU has no fp16", path.name)
    return session


@functools.cache
def warn_of_conflict() -> None:
    """Say once in a process that two distributions of onnxruntime are installed."""
    if conflict := engine_conflict(installed_engines()):
        _LOG.warning("%s: %s", conflict, ENGINE_CURE)


def available_providers() -> list[str]:
    """Return the providers that this onnxruntime was built with, by our names."""
    available = ort.get_available_providers()
    return [short for short, long in LONG_NAMES.items() if long in available]


def engine_folder(path: Path, precision: str) -> Path:
    """Return the folder of the TensorRT engines of a file in a precision.

    An engine fits one content, one precision and one onnxruntime. Which GPU and which
    TensorRT it was built for is in its own name.
    """
    content = (sha256_of(path) or "")[:12]
    return path.parent / "tensorrt" / f"{path.stem}-{content}-{precision}-ort{ort.__version__}"


def in_fp16(path: Path) -> bytes:
    """Return an ONNX file in half precision; what goes in and comes out stays float32.

    Raises:
        ImportError: The package onnx is not installed.
    """
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    # the scales of whole numbers stay float32: an older opset knows no others
    kept = [*DEFAULT_OP_BLOCK_LIST, "DequantizeLinear", "QuantizeLinear"]
    converted = convert_float_to_float16(onnx.load(path), keep_io_types=True, op_block_list=kept)
    content: bytes = converted.SerializeToString()
    return content


def read_signature(model: Path | bytes) -> Signature:
    """Return what an ONNX file, or its content, takes and gives.

    Raises:
        ModelError: It is no network that onnxruntime can load.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    check_external_data(model)
    try:
        source = model if isinstance(model, bytes) else str(model)
        session = ort.InferenceSession(source, options, providers=[LONG_NAMES["cpu"]])
    except Exception as error:  # onnxruntime's own classes share no public root
        name = "it" if isinstance(model, bytes) else model
        raise ModelError(f"cannot load {name}: {_line(error)}") from error
    return _signature_of(session)


def _signature_of(session: ort.InferenceSession) -> Signature:
    inputs, outputs = (
        {v.name: tuple(n if isinstance(n, int) else None for n in v.shape) for v in values}
        for values in (session.get_inputs(), session.get_outputs())
    )
    return Signature(inputs, outputs, {i.name: _type_of(i) for i in session.get_inputs()})


def _type_of(value: ort.NodeArg) -> str:
    """Return what ``OrtSession.run`` takes or gives for a tensor, in NumPy's words."""
    name: str = value.type.removeprefix("tensor(").removesuffix(")")
    return "float32" if value.type in _CONVERTED or name == "float" else name


def _options(threads: int, entries: Mapping[str, str]) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions, and are not printed too
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return options


def _load(
    path: Path, chain: Sequence[str], precision: str, threads: int, progress: Progress
) -> OrtSession:
    """Load a file for the first provider of a chain; what that cannot run goes to the others."""

    def load(model: str | bytes, inputs: Inputs = ()) -> OrtSession:
        providers = provider_options(chain, precision, inputs, engine_folder(path, precision))
        # left to itself, onnxruntime falls back with no more than a line on stdout
        make = functools.partial(
            ort.InferenceSession, model, providers=providers, enable_fallback=0
        )
        entries = session_entries()
        try:
            session = make(_options(threads, entries))
        except ort_errors.Fail:
            if entries.get(EXACT_PRODUCTS) != "1":
                raise
            # onnxruntime 1.31 stumbles over quantized weights that several nodes share when
            # it is to multiply them exactly
            session = make(_options(threads, entries | {EXACT_PRODUCTS: "0"}))
            _LOG.warning("%s: on this CPU its whole numbers may overflow", path.name)
        return OrtSession(session)

    first = _SHORT_NAMES[chain[0]]
    if first == "tensorrt":
        inputs = [
            (name, tuple(n or 0 for n in shape))
            for name, shape in read_signature(path).inputs.items()
        ]
        with _building(path, precision, progress):
            session = load(str(path), inputs)
            if batch_is_free(inputs):
                # what was not built yet is built now, and not on the first image
                session.run(*(np.zeros((1, *shape[1:]), np.float32) for _, shape in inputs))
        return session
    return load(in_fp16(path) if first == "cuda" and precision == "fp16" else str(path))


@contextlib.contextmanager
def _building(path: Path, precision: str, progress: Progress) -> Iterator[None]:
    """Say that an engine is built when there is none; one process builds, others wait for it."""
    folder = engine_folder(path, precision)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, progress, "building a TensorRT engine"):
        built = any(folder.glob("*.engine"))
        if not built:
            progress(
                f"building a TensorRT engine for {path.stem} in {precision}: this takes minutes, "
                f"once; it is kept in {folder}"
            )
        began = time.monotonic()
        yield
        if not built:
            progress(f"built in {time.monotonic() - began:.0f} s")


def _provider_of(session: ort.InferenceSession) -> str:
    """Return the first provider that got a node to run: one may be there and run none."""
    registered: list[str] = session.get_providers()
    try:
        used = {part.ep_name for part in session.get_provider_graph_assignment_info()}
    except (AttributeError, *_BROKE):  # onnxruntime before 1.24 does not tell
        used = set()
    first = next((name for name in registered if name in used), registered[0])
    return _SHORT_NAMES.get(first, first)


def _fits(array: FloatArray, declared: ort.NodeArg) -> bool:
    """Whether an array has the type and shape of an input; an axis without a number is free."""
    return (
        array.dtype == _TYPES.get(declared.type, array.dtype)
        and array.ndim == len(declared.shape)
        and all(
            got == size
            for got, size in zip(array.shape, declared.shape, strict=True)
            if isinstance(size, int)
        )
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
