"""A web application that calls WATS, as WSGI and as ASGI: `web:wsgi` and `web:asgi`.

`/together` answers once as many requests are there as MEET says.
"""

import pywats_green  # isort: split

import asyncio
import os
import threading

from pywats import pyWATS

api = pyWATS(
    base_url=os.environ["WATS_URL"], token=os.environ["WATS_TOKEN"], enable_cache=False
)  # fmt: skip
assert pywats_green.is_active()
meeting = threading.Barrier(int(os.environ["MEET"]))


def answer(path):
    if path == "/together":
        meeting.wait(60)
    product = api.product.get_product("PN-00001")
    assert product is not None
    return product.part_number.encode()


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer(environ["PATH_INFO"])]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    body = await asyncio.get_running_loop().run_in_executor(None, answer, scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
