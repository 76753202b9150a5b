"""Converters of upstream's own types.

`import pywats_client` needs a GUI toolkit, so its packages are stood in for by empty ones that
hold the same modules; the modules, and so the types, are the real ones.
"""

import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any


def _stand_in(name: str, folder: Path) -> None:
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if "pywats_client" not in sys.modules:
    spec = importlib.util.find_spec("pywats")
    assert spec is not None
    assert spec.origin is not None
    client = Path(spec.origin).parent.parent / "pywats_client"
    _stand_in("pywats_client", client)
    _stand_in("pywats_client.converters", client / "converters")

import pywats_client.converters.context  # noqa: E402, F401  # as the package's __init__ does
from pywats_client.converters.base import ConverterArguments, ConverterBase  # noqa: E402
from pywats_client.converters.file_converter import FileConverter  # noqa: E402
from pywats_client.converters.models import ConverterResult, ConverterSource  # noqa: E402


class Modern(FileConverter):
    """Does what the file says."""

    @property
    def name(self) -> str:
        return "modern"

    @property
    def file_patterns(self) -> list[str]:
        return ["*.csv"]

    def convert(self, source: ConverterSource, context: Any) -> ConverterResult:
        assert source.path is not None
        words = source.path.read_text().split()
        if words[0] == "failed":
            return ConverterResult.failed_result("no header")
        if words[0] == "skipped":
            return ConverterResult.skipped_result("a template")
        if words[0] == "rejected":
            return ConverterResult.rejected_result("unlikely", 0.1, 0.2)
        if words[0] == "suspended":
            return ConverterResult.suspended_result("waiting", timedelta(seconds=1000))
        reports = [{"sn": word, "done": str(context.done_folder.name)} for word in words]
        return ConverterResult.success_result(reports=reports)


class Legacy(ConverterBase):
    def __init__(self) -> None:
        super().__init__()
        self.user_settings = {"prefix": "L-"}

    @property
    def name(self) -> str:
        return "legacy"

    @property
    def supported_extensions(self) -> list[str]:
        return [".CSV"]

    def convert_file(self, file_path: Path, args: ConverterArguments) -> ConverterResult:
        assert args.file_info.stem == file_path.stem
        assert args.drop_folder == file_path.parent
        return ConverterResult.success_result(
            report={"sn": args.user_settings["prefix"] + args.file_info.stem}
        )
