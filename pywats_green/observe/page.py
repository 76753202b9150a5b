"""The page: one file, with a policy that lets it load nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

PAGE = resources.files("pywats_green.observe").joinpath("page.html").read_bytes()


def _hash_of(tag: bytes) -> str:
    """Return the hash of the one inline `style` or `script`."""
    (text,) = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), PAGE, re.DOTALL)
    return "'sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode() + "'"


CONTENT_POLICY = (
    f"default-src 'none'; style-src {_hash_of(b'style')}; script-src {_hash_of(b'script')}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
