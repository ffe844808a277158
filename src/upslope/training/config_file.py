"""Configurations as YAML: plain values only, within limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from upslope.core.checks import StorageError
from upslope.storage import atomic
from upslope.storage.json_text import MAX_DEPTH, to_plain

MAX_BYTES = 1 << 20
MAX_ALIASES = 32
MAX_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """Safe YAML without duplicate keys, merge keys or many aliases; `3e-4` is a number."""

    aliases = 0
    most = MAX_ALIASES

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > self.most:
                raise StorageError(f"it has more than {self.most} aliases")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise StorageError(f"the key {key!r:.60}{key_node.start_mark} is not a string")
            if key in keys:
                raise StorageError(f"the key {key!r} appears twice{key_node.start_mark}")
            keys.add(key)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise StorageError("merge keys (<<) are not supported: write the values out")


class _MergingLoader(_Loader):
    """As files of others need it: merge keys, whose values give way to those written out."""

    most = 8 * MAX_ALIASES

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        yaml.SafeLoader.flatten_mapping(self, node)
        kept = {key.value: (key, value) for key, value in node.value}
        node.value = list(kept.values())
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Safe YAML that writes every value out."""

    def ignore_aliases(self, data: object) -> bool:
        return True


# The writer quotes strings that the readers would take for numbers.
for _side in (_Loader, _MergingLoader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )


def read_config(path: Path, *, merge: bool = False) -> dict[str, Any]:
    """The table in a YAML file, which may come from a stranger.

    Args:
      path: the file.
      merge: whether it may have merge keys (`<<`), as files of other libraries do.

    Raises:
      StorageError: when the file is missing, too large, nested too deeply, multiplies itself with
        aliases, has a key twice, asks for Python objects, or is not a table.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror}.") from error
    if len(text) > MAX_BYTES:
        raise StorageError(f"{path} is longer than the {MAX_BYTES} bytes that are read.")
    try:
        value = _parse(text, _MergingLoader if merge else _Loader)
        _count(value)
    except yaml.YAMLError as error:
        raise StorageError(f"{path} is not a valid configuration: {error}") from error
    except (StorageError, ValueError, TypeError, RecursionError) as error:
        raise StorageError(f"{path} is not a valid configuration: {error}.") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise StorageError(f"{path} holds a {type(value).__name__}, not a table of settings.")
    return value


def _parse(text: bytes, kind: type[_Loader] = _Loader) -> Any:
    loader = kind(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse_value(text: str) -> Any:
    """A value as a configuration has it, such as `3e-4`, `true` or `[1, 2]`.

    Raises:
      StorageError: when it is none.
    """
    try:
        value = _parse(text.encode(errors="replace"))
        _count(value)
    except (yaml.YAMLError, StorageError, ValueError, TypeError, RecursionError) as error:
        raise StorageError(f"{text!r:.80} is not a valid value.") from error
    return value


def _count(value: object) -> None:
    """Raises when the value, written out, would be too large or too deep."""
    layer, total, depth = [value], 0, 0
    while layer:
        total += len(layer)
        if total > MAX_VALUES or depth > MAX_DEPTH:
            raise StorageError(f"it holds more than {MAX_VALUES} values, or is {depth} deep")
        layer = [
            child
            for node in layer
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        depth += 1


def write_config(path: Path, config: dict[str, Any]) -> None:
    """Writes a table of plain values as YAML, in its order; `read_config` gives it back.

    Raises:
      StorageError: for a value that is not plain, or when the file cannot be written.
    """
    atomic.write_bytes(path, config_text(config).encode())


def config_text(config: dict[str, Any]) -> str:
    """A table of plain values as YAML, in its order.

    Raises:
      StorageError: for a value that is not plain.
    """
    to_plain(config, "config")
    return yaml.dump(_builtin(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _builtin(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _builtin(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_builtin(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value
