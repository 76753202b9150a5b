"""Every error this package raises. One root, so that one `except` clause can catch them all."""


class PywatsGreenError(Exception):
    """Root of all errors raised by pywats_green itself.

    Errors of a WATS call are not ours: they stay the exceptions of pywats.
    """


class ImportOrderError(PywatsGreenError, ImportError):
    """pywats was imported before pywats_green, so it kept the blocking sockets and locks."""


class ImportOrderWarning(RuntimeWarning):
    """Something was imported or started before pywats_green that works better after it."""


class UnsupportedPywatsError(PywatsGreenError, ImportError):
    """The installed pywats-api has not the seams that this version was built for."""


class SettingsError(PywatsGreenError, ValueError):
    """A setting does not exist or its value is out of range."""


class InvalidArgumentError(PywatsGreenError, ValueError):
    """An argument of a public function is out of range."""


class ArgumentTypeError(PywatsGreenError, TypeError):
    """An argument of a public function has the wrong type."""


class EventLoopRequiredError(PywatsGreenError, RuntimeError):
    """A coroutine awaited something that only a running asyncio event loop can finish."""


class NativeThreadError(PywatsGreenError, RuntimeError):
    """A client was used from another operating system thread than the one it belongs to."""


class AdmissionTimeoutError(PywatsGreenError, TimeoutError):
    """A call waited for longer than `admission_timeout` to be sent: for a limit, or a gate.

    Nothing was sent, and nothing is wrong with the call.
    """


class CacheKeyError(PywatsGreenError, TypeError):
    """The arguments of a cached call cannot be made into a key."""


class CacheRecursionError(PywatsGreenError, RecursionError):
    """The load of a cache key asked for that same key; it would have waited for itself."""


class UnreadableReportError(PywatsGreenError, ValueError):
    """A queued file holds nothing that could be sent: torn JSON, nothing, not an object."""


class UnfinishedReportError(UnreadableReportError):
    """It was written less than a minute ago, by another program that may not have finished."""


class ForeignAnswerError(PywatsGreenError):
    """A report was answered with success, but not by WATS: a login page, an empty body.

    A callable of a queue may raise it, too: nothing is spent, and the drain pauses.

    Attributes:
        response: The answer, as pywats gives it.
    """

    def __init__(self, text: str, response: object) -> None:
        super().__init__(text)
        self.response = response


class TransportError(PywatsGreenError):
    """An exchange with the server broke off.

    Users do not see it: the green client translates it into the exception that upstream raises.

    Attributes:
        system: Whether the text is the operating system's. Upstream's asyncio client has words of
            its own for those, its blocking client shows them.
        is_away: Whether it means that the server, or the way to it, is down.
        is_unsent: Whether no byte of the request was written.
    """

    def __init__(
        self, text: str, *, system: bool = False, is_away: bool = False, is_unsent: bool = False
    ) -> None:
        super().__init__(text)
        self.system = system
        self.is_away = is_away
        self.is_unsent = is_unsent


class TransportConnectError(TransportError):
    """No connection was made: refused, unreachable, name not resolved, TLS refused."""


class TransportTimeoutError(TransportError, TimeoutError):
    """A phase (connect, write, read) took longer than the timeout."""


class TransportSetupError(TransportError):
    """Nothing can be sent from here: no readable certificates, or no server in the base URL."""


class TransportDecodeError(TransportError):
    """An answer came whose body cannot be read: its encoding is not what it says."""


class ConverterImportError(PywatsGreenError, ImportError):
    """A child process cannot import the converter that it is to run."""


class QueueBusyError(PywatsGreenError, RuntimeError):
    """A queue processor was told to start while it runs already."""


class QueueFolderError(PywatsGreenError, OSError):
    """The folder of a queue cannot be used: gone, full, no permission, not a folder."""


class QueueFullError(QueueFolderError):
    """A queue holds as much as it may; nothing of the report was written."""


class QueueItemError(PywatsGreenError, LookupError):
    """A queue has no such item, or not in a state in which that can be done to it."""
