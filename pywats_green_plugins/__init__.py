"""What other tools load by entry point: pytest (`pytest_plugin`) and PyInstaller (`pyinstaller`).

They load it in every run, wherever this package is installed. So nothing here imports
`pywats_green` at the top, which would patch all of those programs.
"""
