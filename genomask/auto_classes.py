"""transformers' Auto classes know our models and tokenizer after `import genomask`, which itself loads nothing.

Not even transformers is imported. When its registries are imported, placeholders for our classes are put there, and the
first use of one imports its room.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

CONFIGS = "transformers.models.auto.configuration_auto"
TOKENIZERS = "transformers.models.auto.tokenization_auto"


class Waiting:
    """Placeholder for a class until it is used; importing its room puts the class itself into the registry."""

    def __init__(self, room: str, name: str) -> None:
        self._room, self.__name__ = room, name

    def __reduce__(self) -> Any:
        """For pickle and copy, which look up attributes of a new object before it has any, such as its room."""
        return Waiting, (self._room, self.__name__)

    def _itself(self) -> Any:
        return getattr(importlib.import_module(self._room), self.__name__)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._itself(), attribute)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the class itself."""
        return self._itself()(*args, **kwargs)


def _register(registry: ModuleType) -> None:
    """Put placeholders for our classes into a registry of transformers that was just imported."""
    if registry.__name__ == CONFIGS:
        if "genomask-mosaicbert" not in registry.CONFIG_MAPPING:
            registry.CONFIG_MAPPING.register("genomask-mosaicbert", Waiting("genomask.encoders", "MosaicBertConfig"))
    else:
        for name, module in tokenizer_classes():
            registry.REGISTERED_TOKENIZER_CLASSES.setdefault(name, Waiting(module, name))


def tokenizer_classes() -> Iterator[tuple[str, str]]:
    """Names of our tokenizers and their modules: kmer.py with a `class KmerTokenizer(`, and so on."""
    for path in sorted((Path(__file__).parent / "data" / "tokenizers").glob("*.py")):
        name = f"{path.stem.capitalize()}Tokenizer"
        if f"\nclass {name}(" in path.read_text(encoding="utf-8"):
            yield name, f"genomask.data.tokenizers.{path.stem}"


class AfterImport(MetaPathFinder):
    """Finds the registries as Python does, and registers our classes once they are executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The registry's own spec, which then also registers our classes; None for every other module."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in (CONFIGS, TOKENIZERS) else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            _register(module)

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def register_when_used() -> None:
    """Register in the registries already imported, and in the others once they are."""
    sys.meta_path.insert(0, AfterImport())
    for name in (CONFIGS, TOKENIZERS):
        if name in sys.modules:
            _register(sys.modules[name])
