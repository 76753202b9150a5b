"""PyInstaller's hook for `pywats_green`, which imports most of itself by name or late."""

from pathlib import Path

from PyInstaller.utils.hooks import get_package_paths

from pywats_green_plugins.pyinstaller import PYWATS, data_of, modules_of

_package = Path(get_package_paths("pywats_green")[1])
hiddenimports = [*modules_of(_package), *PYWATS]
datas = [*data_of(_package)]
