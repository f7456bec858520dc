"""A device that stands in for a GPU: it computes as the CPU does but, like a GPU, refuses to be mixed with it.

A tensor there can only be used with others there, and cannot be read as an array. So code for a GPU runs without
one, the same Python code down to PyTorch's operators, and a tensor left behind on the CPU is found. Importing this
registers the device for the whole process, so only a process of its own may do it.
"""

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "second"
_setup_privateuseone_for_python_backend(rename=NAME)
MAY_CROSS = {"_to_copy", "copy_"}


class There(Tensor):
    """A tensor on the second device; `here` is its twin on the CPU, with the same memory layout."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "There":
        layout = {"strides": here.stride(), "storage_offset": here.storage_offset(), "dtype": here.dtype}
        there = Tensor._make_wrapper_subclass(cls, here.size(), **layout, device=torch.device(NAME, 0))
        there.here = here
        return there

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def untyped_storage(self) -> torch.UntypedStorage:
        """safetensors identifies tensors by it; what it writes, it copies to the CPU."""
        return self.here.untyped_storage()

    def data_ptr(self) -> int:
        """A checkpoint recognises tied weights by it."""
        return self.here.data_ptr()

    def tolist(self) -> list:
        """Wait and copy, as on a GPU."""
        return self.here.tolist()


class SecondDevice(TorchDispatchMode):
    """While it is entered, tensors can be made there, moved there and computed with, and modules moved there."""

    def __enter__(self):
        self._to = nn.Module.to
        nn.Module.to = _moved
        return super().__enter__()

    def __exit__(self, *error):
        nn.Module.to = self._to
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _moved(module, device):
    """Do what `module.to` does: PyTorch's own cannot replace a parameter with one of another class."""
    goes_there, seen = torch.device(device).type == NAME, {}
    for part in module.modules():
        for table in (part._parameters, part._buffers):
            for name, x in table.items():
                if x is not None:
                    table[name] = seen.setdefault(id(x), _placed(x, goes_there))
    return module


def _placed(x, goes_there):
    if isinstance(x, There) == goes_there:
        return x
    moved = There(x.detach().clone()) if goes_there else x.detach().here
    return nn.Parameter(moved) if isinstance(x, nn.Parameter) else moved


def _run(func, args, kwargs):
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    there = {id(x.here): x for x in tensors if isinstance(x, There)}
    left_behind = [tuple(x.shape) for x in tensors if not isinstance(x, There) and x.dim() > 0]
    if there and left_behind and func.overloadpacket.__name__ not in MAY_CROSS:
        raise RuntimeError(f"{func} was given tensors of the CPU, shapes {left_behind}, with those of another device")
    asked = kwargs.get("device")
    goes_there = bool(there) if asked is None else torch.device(asked).type == NAME
    if asked is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    result = func(*tree_map(_here, args), **tree_map(_here, kwargs))

    def placed(x):
        if not isinstance(x, Tensor):
            return x
        if id(x) in there:  # an operation in place
            return there[id(x)]
        return There(x) if goes_there else x

    return tree_map(placed, result)


def _here(x):
    return x.here if isinstance(x, There) else x


def _empty_strided(size, stride, *, dtype=None, **others):
    return There(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source, target, non_blocking=False):
    target.here.copy_(_here(source))
    return target


_below_modes = torch.library.Library("aten", "IMPL")
"""The operators that `torch.tensor(numbers, device=...)` comes down to, where no mode sees them."""
_below_modes.impl("empty_strided", _empty_strided, "PrivateUse1")
_below_modes.impl("_copy_from", _copy_from, "PrivateUse1")
