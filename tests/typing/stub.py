"""Makes the stub of `pywats.pywats`: the types that upstream's own stub lacks.

`pyWATS` wraps coroutine methods into blocking ones, which no type checker can follow, and
upstream's stub names modules and arguments that do not exist. So the blocking methods are read from
the sources of the services. `make stub` writes the result to pywats-stubs/, which PEP 561 calls a
partial stub package: it stands in for this one module.
"""

import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pywats import pywats as facade

STUB = Path(__file__).parents[2] / "pywats-stubs" / "pywats.pyi"

HEAD = """# Made by tests/typing/stub.py from the sources of pywats-api: run `make stub`.
from types import TracebackType
from typing_extensions import Self
"""

CLIENT = """
class pyWATS:
    def __init__(
        self,
        base_url: Optional[str] = None,
        token: Optional[str] = None,
        station: Optional[Station] = None,
        timeout: Optional[float] = None,
        verify_ssl: Optional[bool] = None,
        error_mode: Optional[ErrorMode] = None,
        retry_config: Optional[RetryConfig] = None,
        retry_enabled: bool = False,
        enable_cache: bool = True,
        cache_ttl: float = 300.0,
        cache_max_size: int = 1000,
        instance_id: str = "default",
        settings: Optional[APISettings] = None,
        sync_config: Optional[SyncConfig] = None,
    ) -> None: ...
{services}
    @property
    def settings(self) -> APISettings: ...
    @property
    def base_url(self) -> str: ...
    @property
    def timeout(self) -> float: ...
    @timeout.setter
    def timeout(self, value: float) -> None: ...
    @property
    def error_mode(self) -> ErrorMode: ...
    @property
    def retry_config(self) -> RetryConfig: ...
    @retry_config.setter
    def retry_config(self, value: RetryConfig) -> None: ...
    @property
    def station(self) -> Optional[Station]: ...
    @station.setter
    def station(self, station: Optional[Station]) -> None: ...
    @property
    def stations(self) -> StationRegistry: ...
    def test_connection(self) -> bool: ...
    def get_version(self) -> Optional[str]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...
"""
CLIENTS_IMPORTS = {
    "APISettings": "pywats.core.config",
    "Any": "typing",
    "ErrorMode": "pywats.core.exceptions",
    "Optional": "typing",
    "RetryConfig": "pywats.core.retry",
    "Station": "pywats.core.station",
    "StationRegistry": "pywats.core.station",
    "SyncConfig": "pywats.core.config",
}

FLUENT = "AsyncBoxBuildTemplate"  # a builder: its methods return it, and it is a context manager
KEPT = {"property", "overload", "staticmethod", "classmethod"}


class Module:
    """A module of services, and the names that their annotations use.

    Args:
        path: Its source.
        name: Its dotted name.
        imports: Collects what the stub must import: name in the stub -> (module, name there).
    """

    def __init__(self, path: Path, name: str, imports: dict[str, tuple[str, str]]) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self._name = name
        self._imports = imports
        self._known = {"Any": ("typing", "Any"), "Iterator": ("typing", "Iterator")}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self._known[alias.asname or alias.name] = self._origin(node), alias.name
            elif isinstance(node, ast.ClassDef):
                self._known[node.name] = name, node.name

    def _origin(self, node: ast.ImportFrom) -> str:
        parts = self._name.split(".")[: -node.level] if node.level else []
        return ".".join([*parts, *([node.module] if node.module else [])])

    def annotation(self, node: ast.expr | None) -> str:
        """Return an annotation as the stub has it."""
        if node is None:
            node = ast.Name("Any")
        node = _Unquoted().visit(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self._known:
                part.id = self._imported(part.id)
        return ast.unparse(node)

    def _imported(self, name: str) -> str:
        origin = self._known[name]
        if origin[1] in CLASSES:  # a service, or what one returns
            return CLASSES[origin[1]]
        mine = name
        while self._imports.setdefault(mine, origin) != origin:
            mine = f"_{mine}"  # another module has a class of that name
        return mine


class _Unquoted(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


CLASSES: dict[str, str] = {FLUENT: "_BoxBuildTemplate"}


def services() -> Iterator[tuple[str, type]]:
    """Yield the domains of pyWATS, with the classes of their services."""
    from importlib import import_module

    for name, value in vars(facade.pyWATS).items():
        if not isinstance(value, property) or value.fget is None:
            continue
        returned = str(inspect.signature(value.fget).return_annotation)
        if "ServiceWrapper" in returned:
            module = import_module(f"pywats.domains.{name}.async_service")
            [service] = [
                found
                for found in vars(module).values()
                if inspect.isclass(found)
                and found.__module__ == module.__name__
                and found.__name__.endswith("Service")
            ]
            yield name, service


def made() -> str:
    """Return the text of the stub."""
    imports: dict[str, tuple[str, str]] = {n: (m, n) for n, m in CLIENTS_IMPORTS.items()}
    found = dict(services())
    CLASSES.update({s.__name__: f"_{s.__name__.removeprefix('Async')}" for s in found.values()})
    classes: list[str] = []
    for service in found.values():
        path = Path(inspect.getsourcefile(service) or "")
        module = Module(path, service.__module__, imports)
        classes.extend(
            "\n".join(_class(module, node))
            for node in module.tree.body
            if isinstance(node, ast.ClassDef) and node.name in CLASSES
        )
    properties = "\n".join(
        f"    @property\n    def {name}(self) -> {CLASSES[service.__name__]}: ..."
        for name, service in found.items()
    )
    body = "\n\n".join([*classes, CLIENT.format(services=properties).strip()])
    used = {*re.findall(r"\w+", body)}
    needed = {name: origin for name, origin in imports.items() if name in used}
    return HEAD + "\n".join(_imports(needed)) + f"\n\n{body}\n"


def _imports(imports: dict[str, tuple[str, str]]) -> Iterator[str]:
    by_module = defaultdict(list)
    for mine, (module, name) in sorted(imports.items()):
        by_module[module].append(name if mine == name else f"{name} as {mine}")
    for module, names in sorted(by_module.items()):
        yield f"from {module} import {', '.join(names)}"


def _class(module: Module, node: ast.ClassDef) -> Iterator[str]:
    yield f"class {CLASSES[node.name]}:"
    for member in node.body:
        if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if member.name.startswith("_"):
            continue
        decorators = [ast.unparse(decorator) for decorator in member.decorator_list]
        if not set(decorators) <= KEPT:
            continue  # the setter of a property, which a wrapper does not reach
        siblings = [other for other in node.body if getattr(other, "name", "") == member.name]
        if len(siblings) > 1 and "overload" not in decorators and siblings[0] is not member:
            continue  # the implementation of overloads
        for decorator in decorators:
            module.annotation(ast.Name(decorator))
            yield f"    @{decorator}"
        parameters, result = _parameters(module, member.args), _result(module, member)
        yield f"    def {member.name}({parameters}) -> {result}: ..."
    if node.name == FLUENT:
        yield "    def __enter__(self) -> Self: ..."
        yield (
            "    def __exit__(self, exc_type: type[BaseException] | None, "
            "exc_val: BaseException | None, exc_tb: TracebackType | None) -> None: ..."
        )


def _result(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    found = module.annotation(node.returns)
    if "AsyncIterator" not in found:
        return found
    module.annotation(ast.Name("Iterator"))
    return found.replace("AsyncIterator", "Iterator")


def _parameters(module: Module, node: ast.arguments) -> str:
    found = []
    positional = [*node.posonlyargs, *node.args]
    defaults = [None] * (len(positional) - len(node.defaults)) + [*node.defaults]
    for argument, default in zip(positional, defaults, strict=True):
        is_self = argument.arg in ("self", "cls") and argument is positional[0]
        found.append(argument.arg if is_self else _parameter(module, argument, default))
    if node.vararg:
        found.append(f"*{_parameter(module, node.vararg, None)}")
    elif node.kwonlyargs:
        found.append("*")
    for argument, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
        found.append(_parameter(module, argument, default))
    if node.kwarg:
        found.append(f"**{_parameter(module, node.kwarg, None)}")
    return ", ".join(found)


def _parameter(module: Module, argument: ast.arg, default: ast.expr | None) -> str:
    text = f"{argument.arg}: {module.annotation(argument.annotation)}"
    if default is None:
        return text
    return f"{text} = {ast.unparse(default) if isinstance(default, ast.Constant) else '...'}"


if __name__ == "__main__":
    STUB.write_text(made(), encoding="utf-8")
    sys.stdout.write(f"{STUB}\n")
