"""A healthy server with a limit: a queue takes its time, and no report is blamed for it."""

import gevent
from pywats import pyWATS
from pywats.core.client import Response
from pywats.core.throttle import RateLimiter
from pywats.queue import MemoryQueue
from throttle.clock import HandClock
from typed import private

from pywats_green.queue.drain.run import Timing
from pywats_green.upstream.client.admission import admit, settle
from pywats_green.upstream.features.queues.processor import QueueProcessor


def test_1100_reports_under_a_limit_of_500_a_minute(deadlines_by_hand: HandClock) -> None:
    clock = deadlines_by_hand
    queue = MemoryQueue()
    for number in range(1100):
        queue.add({"id": str(number)})
    client = private(pyWATS(base_url="http://127.0.0.1:9", token="x"))._http_client
    client._rate_limiter = RateLimiter(max_requests=500, window_seconds=60)

    def submit(_: object) -> None:
        admission, answer = admit(client), None
        try:
            gevent.sleep(0)
            answer = Response(status_code=200, data={"id": "x"}, raw=b'{"id": "x"}')
        finally:
            settle(client, admission, answer)

    heard: list[str] = []
    processor = QueueProcessor(
        queue,
        submit,
        timing=Timing(clock=clock),
        on_result=lambda _item, settled, _error: heard.append(settled),
    )
    drain = gevent.spawn(processor.drain)
    started = clock.now
    while not drain.ready():
        clock.turn(1.0)
        assert clock.now < started + 600
    summary = drain.get()
    assert summary[:5] == (1100, 0, 0, 0, None)
    assert heard == ["submitted"] * 1100
    assert summary.elapsed >= 120  # it did wait, twice
