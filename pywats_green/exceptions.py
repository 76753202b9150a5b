"""All errors raised by this package, with a common base class."""


class PywatsGreenError(Exception):
    """Base class of all errors raised by pywats_green itself.

    Errors of WATS calls remain the exceptions of pywats.
    """


class ImportOrderError(PywatsGreenError, ImportError):
    """pywats was imported before pywats_green, so it kept the blocking sockets and locks."""


class UnpatchableProcessError(PywatsGreenError, ImportError):
    """Something that runs here already would hang once its threads became greenlets."""


class ImportOrderWarning(RuntimeWarning):
    """Something was imported or started before pywats_green that should come after it."""


class UnsupportedPywatsError(PywatsGreenError, ImportError):
    """The installed pywats-api is not one that this version of pywats_green supports."""


class SettingsError(PywatsGreenError, ValueError):
    """A setting does not exist, or its value is invalid."""


class InvalidArgumentError(PywatsGreenError, ValueError):
    """An argument of a public function is out of range."""


class QueueOrderError(InvalidArgumentError):
    """A queue's folder is used with another `order_by` than this process has."""


class ArgumentTypeError(PywatsGreenError, TypeError):
    """An argument of a public function has the wrong type."""


class EventLoopRequiredError(PywatsGreenError, RuntimeError):
    """A coroutine awaited something that needs a running asyncio event loop."""


class NativeThreadError(PywatsGreenError, RuntimeError):
    """A client was used from a native thread other than its own."""


class AdmissionTimeoutError(PywatsGreenError, TimeoutError):
    """A call waited longer than `admission_timeout` for admission: the rate limit or a gate.

    This attempt was not sent, and nothing is wrong with the call. If retries are on, an earlier
    attempt may have been sent.
    """


class CacheKeyError(PywatsGreenError, TypeError):
    """The arguments of a cached call cannot be made into a key."""


class CacheRecursionError(PywatsGreenError, RecursionError):
    """The load of a cache key asked for the same key, which would have been a deadlock."""


class UnreadableReportError(PywatsGreenError, ValueError):
    """A queued file has no report: it is empty, truncated, or not a JSON object."""


class UnfinishedReportError(UnreadableReportError):
    """It was written less than a minute ago, by another program that may not have finished."""


class ForeignAnswerError(PywatsGreenError):
    """A report was answered with success, but not by WATS: a login page, an empty body.

    The `submit` callable of a queue may raise it, too: the drain pauses, and no attempt is counted.

    Attributes:
        response: The pywats `Response`.
    """

    def __init__(self, text: str, response: object) -> None:
        super().__init__(text)
        self.response = response


class TransportError(PywatsGreenError):
    """An exchange with the server failed.

    Internal: the green client translates it into the exception that upstream raises.

    Attributes:
        system: Whether the message is the operating system's. Upstream's asyncio client replaces
            those with its own, its blocking client shows them.
        is_away: Whether it means that the server, or the path to it, is down.
        is_unsent: Whether no byte of the request was written.
        is_stale: Whether a kept connection ended before a byte of the answer came: the server may
            have closed it while the request was on its way.
    """

    is_stale = False

    def __init__(
        self, text: str, *, system: bool = False, is_away: bool = False, is_unsent: bool = False
    ) -> None:
        super().__init__(text)
        self.system = system
        self.is_away = is_away
        self.is_unsent = is_unsent


class TransportConnectError(TransportError):
    """No connection could be made: refused, unreachable, name not resolved, TLS failure."""


class TransportTimeoutError(TransportError, TimeoutError):
    """A phase (connect, write, read) took longer than the timeout."""


class TransportSetupError(TransportError):
    """Nothing can be sent from here: no readable certificates, or no server in the base URL."""


class TransportDecodeError(TransportError):
    """A response's body cannot be decoded: it is not encoded as declared."""


class ConverterImportError(PywatsGreenError, ImportError):
    """A child process cannot import its converter."""


class QueueBusyError(PywatsGreenError, RuntimeError):
    """A queue processor was started while already running."""


class QueueFolderError(PywatsGreenError, OSError):
    """The folder of a queue cannot be used: gone, full, no permission, not a folder."""


class QueueFullError(QueueFolderError):
    """A queue holds as much as it may; nothing of the report was written."""


class ReportTooLargeError(QueueFullError):
    """A report alone exceeds `max_bytes`, so that it will never fit."""


class QueueItemError(PywatsGreenError, LookupError):
    """A queue has no such item, its state does not allow this, or another report has its id."""


class QueueItemBusyError(QueueItemError):
    """Somebody else has been putting a report of this id for too long; try again."""


class IntakeRefusedError(PywatsGreenError):
    """A hub's intake did not take a report.

    Attributes:
        response: Its answer: `status_code`, `headers`, `text`.
    """

    def __init__(self, text: str, response: object) -> None:
        super().__init__(text)
        self.response = response
