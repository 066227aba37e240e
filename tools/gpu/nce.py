"""The C interface of a library, through ctypes. Structs and constants are read from infonce.h, and refused if the library
reports another layout. Needs nothing beyond Python itself; pointers may come from NumPy or PyTorch."""

import ctypes
import pathlib
import re

HEADER = pathlib.Path(__file__).resolve().parents[2] / "native" / "include" / "infonce.h"

_NUMBERS = {"int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "double": ctypes.c_double}
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_STRUCT = re.compile(r"typedef struct (nce_\w+) \{(.*?)\} \1;", re.S)
_FIELD = re.compile(r"(?:const )?(\w+) (\*?)(\w+);")
_CONSTANT = re.compile(r"\b(NCE_[A-Z0-9_]+)(?: = | )(\d+)\b")


class Failure(Exception):
    """What a call of the library said, or what is wrong with the library."""


def _read(header):
    text = _COMMENT.sub("", header.read_text())
    structs = {}
    for name, body in _STRUCT.findall(text):
        fields = []
        for kind, pointer, field in _FIELD.findall(body):
            if pointer:
                fields.append((field, ctypes.c_char_p if kind == "char" else ctypes.c_void_p))
            else:
                fields.append((field, _NUMBERS[kind]))
        structs[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return structs, {name: int(value) for name, value in _CONSTANT.findall(text)}


STRUCTS, CONSTANTS = _read(HEADER)


def struct(name, **values):
    """A struct of the interface with its size set, and 0 where nothing is given."""
    result = STRUCTS[name](**values)
    result.struct_size = ctypes.sizeof(result)
    return result


class Library:
    def __init__(self, path):
        # Its own symbols first: a process may hold another library of this project.
        self._functions = ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
        self._functions.nce_last_error.restype = ctypes.c_char_p
        self._functions.nce_version.restype = ctypes.c_char_p
        self._functions.nce_layout_count.restype = ctypes.c_int64
        for name in ("nce_plan_destroy", "nce_context_destroy"):
            getattr(self._functions, name).restype = None
        version, expected = self._functions.nce_abi_version(), CONSTANTS["NCE_ABI_VERSION"]
        if version != expected:
            raise Failure(f"{path} has version {version} of the interface; {HEADER.name} is {expected}")
        self._check_layout(path)

    @property
    def version(self):
        return self._functions.nce_version().decode()

    def call(self, name, *arguments):
        """Calls nce_NAME, whose status decides."""
        status = getattr(self._functions, f"nce_{name}")(*arguments)
        if status != CONSTANTS["NCE_STATUS_OK"]:
            raise Failure(f"nce_{name}: {self._functions.nce_last_error().decode()}")

    def close(self, name, handle):
        """Calls nce_NAME, which cannot fail."""
        getattr(self._functions, f"nce_{name}")(handle)

    def _check_layout(self, path):
        reported = {}
        for index in range(self._functions.nce_layout_count()):
            line = struct("nce_layout")
            self.call("layout_at", ctypes.c_int64(index), ctypes.byref(line))
            reported[line.name.decode(), line.field and line.field.decode()] = (line.offset, line.size)
        here = {}
        for name, kind in STRUCTS.items():
            here[name, None] = (0, ctypes.sizeof(kind))
            for field, _ in kind._fields_:
                place = getattr(kind, field)
                here[name, field] = (place.offset, place.size)
        wrong = sorted(str(key) for key in {*reported, *here} if reported.get(key) != here.get(key))
        if wrong:
            raise Failure(f"{path} and {HEADER.name} lay out differently: {', '.join(wrong)}")


class Context:
    """A device, open until the process ends. backend: cpu, cuda or emulated."""

    def __init__(self, library, backend, index=0):
        self.library = library
        self.backend = backend
        self.handle = ctypes.c_void_p()
        desc = struct("nce_context_desc", backend=CONSTANTS[f"NCE_BACKEND_{backend.upper()}"], device_index=index)
        library.call("context_create", ctypes.byref(desc), ctypes.byref(self.handle))

    @property
    def name(self):
        info = struct("nce_device_info")
        self.library.call("context_info", self.handle, ctypes.byref(info))
        return info.device_name.decode()


class Memory:
    """Memory of a context: so many bytes, or these."""

    def __init__(self, context, content):
        self._context = context
        self.size = content if isinstance(content, int) else len(content)
        memory = ctypes.c_void_p()
        context.library.call("memory_allocate", context.handle, CONSTANTS["NCE_MEMORY_CONTEXT"], ctypes.c_int64(self.size),
                             ctypes.byref(memory))
        self.pointer = memory.value
        if not isinstance(content, int):
            self._copy(self.pointer, ctypes.c_char_p(content))

    def read(self):
        """What is there, after all that was enqueued."""
        result = ctypes.create_string_buffer(self.size)
        self._copy(result, ctypes.c_void_p(self.pointer))
        return result.raw

    def _copy(self, destination, source):
        library, context = self._context.library, self._context.handle
        library.call("memory_copy", context, destination if not isinstance(destination, int) else ctypes.c_void_p(destination),
                     source, ctypes.c_int64(self.size), None)
        library.call("stream_synchronize", context, None)


class Plan:
    """The symmetric InfoNCE of n pairs, with both gradients. dtype: float32, float64, float16 or bfloat16."""

    def __init__(self, context, n, dim, dtype, precision="precise"):
        self._context = context
        self._handle = ctypes.c_void_p()
        kind = CONSTANTS[f"NCE_DTYPE_{dtype.upper()}"]
        desc = struct("nce_plan_desc", loss=CONSTANTS["NCE_LOSS_INFONCE"], symmetric=1, dtype=kind, gradient_dtype=kind,
                      precision=CONSTANTS[f"NCE_PRECISION_{precision.upper()}"], n=n, m=n, dim=dim, workspace_budget_bytes=-1)
        context.library.call("plan_create", context.handle, ctypes.byref(desc), ctypes.byref(self._handle))
        size = ctypes.c_int64()
        context.library.call("plan_workspace_bytes", self._handle, CONSTANTS["NCE_PASS_FORWARD_BACKWARD"], ctypes.byref(size))
        self.workspace_bytes = size.value
        self._dim = dim

    def close(self):
        self._context.library.close("plan_destroy", self._handle)

    def prepare(self, pointers, stream=None):
        """A function that enqueues loss and gradients. pointers: of queries, keys, temperature and workspace, and of loss,
        d_queries and d_keys, which are written; rows lie without gaps."""
        strides = {f"{name}_stride": self._dim for name in ("queries", "keys")}
        inputs = struct("nce_inputs", **{k: pointers[k] for k in ("queries", "keys", "temperature")}, **strides)
        outputs = struct("nce_outputs", **{k: pointers[k] for k in ("loss", "d_queries", "d_keys")},
                         **{f"d_{name}": stride for name, stride in strides.items()})
        arguments = (self._handle, ctypes.byref(inputs), ctypes.byref(outputs), ctypes.c_void_p(pointers["workspace"]),
                     ctypes.c_int64(self.workspace_bytes), ctypes.c_void_p(stream))
        return lambda: self._context.library.call("forward_backward", *arguments)

    def status(self, pointers, stream=None):
        """Waits, and fails if the call on this workspace has failed on the device."""
        self._context.library.call("workspace_status", self._handle, ctypes.c_void_p(pointers["workspace"]),
                                   ctypes.c_void_p(stream))
