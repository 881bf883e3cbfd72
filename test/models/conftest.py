"""A writer of tiny TFLite files and wheels, so that the tests need no published network."""

from __future__ import annotations

import base64
import hashlib
import importlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pose_ros.models import fetch
from tools.loopback import Web, serve

tflite = importlib.import_module("tflite")
flatbuffers = importlib.import_module("flatbuffers")

TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int32": tflite.TensorType.INT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
}
INDEX_VECTORS = {"uint8": "Uint8Vector", "uint16": "Uint16Vector", "int32": "Int32Vector"}

Csr = tuple[Sequence[int], Sequence[int], str]
"""Segments, indices and the type they are stored in."""


class TfliteWriter:
    """Builds a TFLite file value by value, operator by operator."""

    def __init__(self) -> None:
        self.b = flatbuffers.Builder(1024)
        self.buffers = [self._table("Buffer")]  # the first one is empty by convention
        self.tensors: list[int] = []
        self.codes: list[tuple[int, str]] = []
        self.operators: list[int] = []

    def _table(self, kind: str, **fields: Any) -> int:
        getattr(tflite, f"{kind}Start")(self.b)
        for name, value in fields.items():
            if value is not None:
                getattr(tflite, f"{kind}Add{name}")(self.b, value)
        end: int = getattr(tflite, f"{kind}End")(self.b)
        return end

    def _ints(self, values: Sequence[int], dtype: str = "int32") -> int:
        vector: int = self.b.CreateNumpyVector(np.asarray(values, dtype))
        return vector

    def _tables(self, offsets: Sequence[int]) -> int:
        self.b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.b.PrependUOffsetTRelative(offset)
        end: int = self.b.EndVector()
        return end

    def value(
        self,
        shape: Sequence[int],
        data: NDArray[Any] | None = None,
        dtype: str = "float32",
        sparsity: int | None = None,
        name: str | None = None,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
    ) -> int:
        """Add a value, with ``data`` a constant, with ``scale`` quantized; return its index."""
        buffer = 0
        if data is not None:
            raw = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            content = self.b.CreateNumpyVector(raw)
            self.buffers.append(self._table("Buffer", Data=content))
            buffer = len(self.buffers) - 1
            dtype = data.dtype.name
        quantization = None
        if scale is not None:
            scales = np.atleast_1d(np.array(scale, np.float32))
            zeros = np.full(scales.shape, zero_point, np.int64)
            quantization = self._table(
                "QuantizationParameters",
                Scale=self.b.CreateNumpyVector(scales),
                ZeroPoint=self.b.CreateNumpyVector(zeros),
                QuantizedDimension=axis,
            )
        label = self.b.CreateString(name or f"value_{len(self.tensors)}")
        self.tensors.append(
            self._table(
                "Tensor",
                Shape=self._ints(shape),
                Type=TYPES[dtype],
                Buffer=buffer,
                Name=label,
                Sparsity=sparsity,
                Quantization=quantization,
            )
        )
        return len(self.tensors) - 1

    def constant(self, data: NDArray[Any]) -> int:
        """Add a constant; return its index."""
        return self.value(data.shape, data)

    def sparsity(
        self, order: Sequence[int], levels: Sequence[int | Csr], block_map: Sequence[int] = ()
    ) -> int:
        """Add a sparse format: a size for a dense level, segments and indices for a CSR one."""
        metadata = []
        for level in levels:
            if isinstance(level, int):
                metadata.append(self._table("DimensionMetadata", Format=0, DenseSize=level))
                continue
            segments, indices, dtype = level
            kind = INDEX_VECTORS[dtype]
            number = getattr(tflite.SparseIndexVector, kind)
            metadata.append(
                self._table(
                    "DimensionMetadata",
                    Format=1,
                    ArraySegments=self._table(kind, Values=self._ints(segments, dtype)),
                    ArraySegmentsType=number,
                    ArrayIndices=self._table(kind, Values=self._ints(indices, dtype)),
                    ArrayIndicesType=number,
                )
            )
        return self._table(
            "SparsityParameters",
            TraversalOrder=self._ints(order),
            BlockMap=self._ints(block_map) if block_map else None,
            DimMetadata=self._tables(metadata),
        )

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: str = "",
        **fields: Any,
    ) -> int:
        """Add an operator of one output; return the index of that."""
        kept = ("dtype", "scale", "zero_point", "name")
        output = self.value(shape, **{key: fields.pop(key) for key in kept if key in fields})
        number = getattr(tflite.BuiltinOperator, kind.partition(":")[0])
        code = (number, kind.partition(":")[2])
        if code not in self.codes:
            self.codes.append(code)
        table = self._table(options, **fields) if options else None
        self.operators.append(
            self._table(
                "Operator",
                OpcodeIndex=self.codes.index(code),
                Inputs=self._ints(inputs),
                Outputs=self._ints([output]),
                BuiltinOptions=table,
                BuiltinOptionsType=getattr(tflite.BuiltinOptions, options) if options else None,
            )
        )
        return output

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the file."""
        codes = []
        for number, custom in self.codes:
            name = self.b.CreateString(custom) if custom else None
            codes.append(
                self._table(
                    "OperatorCode",
                    DeprecatedBuiltinCode=min(number, 127),
                    BuiltinCode=number,
                    CustomCode=name,
                    Version=1,
                )
            )
        graph = self._table(
            "SubGraph",
            Tensors=self._tables(self.tensors),
            Inputs=self._ints(inputs),
            Outputs=self._ints(outputs),
            Operators=self._tables(self.operators),
        )
        model = self._table(
            "Model",
            Version=3,
            OperatorCodes=self._tables(codes),
            Subgraphs=self._tables([graph]),
            Buffers=self._tables(self.buffers),
        )
        self.b.Finish(model, file_identifier=b"TFL3")
        return bytes(self.b.Output())


@pytest.fixture
def writer() -> TfliteWriter:
    """An empty TFLite file."""
    return TfliteWriter()


def _tiny_network(channels: int) -> bytes:
    w = TfliteWriter()
    image = w.value((1, 4, 4, 3), name="image")
    kernel = np.arange(channels * 3, dtype=np.float32).reshape(channels, 1, 1, 3)
    weights, bias = w.constant(kernel), w.constant(np.ones(channels, np.float32))
    out = w.operator(
        "CONV_2D",
        [image, weights, bias],
        (1, 4, 4, channels),
        "Conv2DOptions",
        StrideH=1,
        StrideW=1,
    )
    return w.finish([image], [out])


def _write_wheel(path: Path, members: dict[str, bytes]) -> str:
    """Write a wheel that pip accepts; return its sha256."""
    name, version, *_ = path.name.split("-")
    info = f"{name}-{version}.dist-info"
    content = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\n"
        b"Tag: cp311-cp311-manylinux_2_28_x86_64\n",
    }
    record = "".join(
        f"{member},sha256="
        f"{base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},"
        f"{len(data)}\n"
        for member, data in content.items()
    )
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in content.items():
            archive.writestr(member, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Shop:
    """A folder of wheels that stands in for the package index, and a card that buys there.

    Attributes:
        wheel: A real wheel with two tiny networks.
        card_path: A card of both.
        networks: The two files, by role.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.wheel = folder / "tinynet-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
        self.networks = {"detector": _tiny_network(2), "landmarks": _tiny_network(5)}
        members = {f"tinynet/{role}.tflite": data for role, data in self.networks.items()}
        self.wheel_sha256 = _write_wheel(self.wheel, members)
        self.card_path = folder / "tiny.yaml"
        self.write_card()

    def write_card(self, edit: Callable[[str], str] = lambda text: text) -> Path:
        """Write the card again, its text changed by ``edit``."""
        files = "".join(
            f"""
  {role}:
    file: tiny-{role}
    sha256: {hashlib.sha256(data).hexdigest()}
    origins:
      - wheel:
          requirement: tinynet==1.0
          python: "3.11"
          abi: cp311
          platform: manylinux_2_28_x86_64
          sha256: {self.wheel_sha256}
        member: tinynet/{role}.tflite
    inputs:
      - {{name: image, tensor: image, shape: [1, 3, 4, 4], range: [0, 1]}}
    outputs:
      - {{name: maps, tensor: value_3, shape: [1, {channels}, 4, 4]}}"""
            for (role, data), channels in zip(self.networks.items(), (2, 5), strict=True)
        )
        text = f"""name: tiny
family: blazepose
title: Tiny
description: Two convolutions.
skeleton: blazepose33
license: Apache-2.0
homepage: https://example.org
files:{files}
"""
        self.card_path.write_text(edit(text), encoding="utf-8")
        return self.card_path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A tiny network that pip really fetches, from a folder and never from a network."""
    made = Shop(tmp_path / "shop")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return made


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server on the loopback that answers as tests set; no test waits between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0, 0.0))
    with serve("net.tflite") as server:
        yield server
