"""Claims of reports that are there."""

from typed import present

from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.queue import FolderQueue


def take(queue: FolderQueue, *, probe: bool = False, alone: bool = True) -> FolderClaim:
    """Claim the next report, which must be due."""
    return present(queue.claim(probe=probe, alone=alone))
