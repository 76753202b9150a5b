"""The embedded server's HTTP/1.1."""

import gzip
import http.client

import pytest

from pywats_green.testing import WatsServer

from .wire_client import WireClient

MIB = 1024 * 1024


def test_a_connection_is_kept_alive(wats: WatsServer, client: WireClient) -> None:
    for number in range(3):
        answer = client.call("GET", f"/api/Product/PN-0000{number}")
        assert answer.status == 200
        assert answer.json()["partNumber"] == f"PN-0000{number}"
    assert wats.stats()["connections_opened"] == 1


def test_pipelined_requests_are_answered_in_order(client: WireClient) -> None:
    wanted = [f"PN-{number:05d}" for number in range(50)]
    client.send(b"".join(client.request("GET", f"/api/Product/{name}") for name in wanted))
    assert [client.receive().json()["partNumber"] for _ in wanted] == wanted


def test_pipelined_requests_keep_their_order_under_latency(
    wats: WatsServer, client: WireClient
) -> None:
    wats.configure(latency=0.01, jitter=0.02)
    wanted = [f"PN-{number:05d}" for number in range(10)]
    client.send(b"".join(client.request("GET", f"/api/Product/{name}") for name in wanted))
    assert [client.receive().json()["partNumber"] for _ in wanted] == wanted


def test_a_request_may_come_byte_by_byte(client: WireClient) -> None:
    body = b'{"partNumber":"slow"}'
    for byte in client.request("PUT", "/api/Product", body):
        client.send(bytes([byte]))
    assert client.receive().json()["partNumber"] == "slow"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunked_bodies_are_joined(wats: WatsServer, client: WireClient, size: int) -> None:
    body = b'{"partNumber":"chunked","name":"' + b"x" * 500 + b'"}'
    client.send(client.request("PUT", "/api/Product", headers="Transfer-Encoding: chunked\r\n"))
    for at in range(0, len(body), size):
        part = body[at : at + size]
        client.send(f"{len(part):x};note=1\r\n".encode() + part + b"\r\n")
    client.send(b"0\r\nTrailer: ignored\r\n\r\n")
    assert client.receive().json()["name"] == "x" * 500
    assert wats.requests()[-1].body == body
    # The connection is still in step.
    assert client.call("GET", "/api/Product/chunked").status == 200


def test_a_body_of_200_mebibytes_arrives_whole(client: WireClient, wats: WatsServer) -> None:
    size = 200 * MIB
    asset = client.call("GET", "/api/Asset/AS-00001").json()["assetId"]
    target = f"/api/internal/Blob/Asset?assetId={asset}&filename=big.bin"
    with WatsServer() as unrecorded, WireClient(unrecorded, timeout=60) as connection:
        connection.send(connection.request("POST", target, headers=f"Content-Length: {size}\r\n"))
        block = b"\xa5" * MIB
        for _ in range(200):
            connection.send(block)
        assert connection.receive().status == 200
        listed = connection.call("GET", f"/api/internal/Blob/Asset/List/{asset}")
        assert listed.json() == ["big.bin"]


def test_expect_100_continue_is_met(client: WireClient) -> None:
    body = b'{"partNumber":"patient"}'
    expect = f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n"
    client.send(client.request("PUT", "/api/Product", headers=expect))
    assert client.receive().status == 100
    client.send(body)
    assert client.receive().status == 200


def test_connection_close_is_honoured(client: WireClient) -> None:
    answer = client.call("GET", "/api/Product/PN-00001", headers="Connection: close\r\n")
    assert answer.headers["connection"] == "close"
    assert client.at_end()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabcd", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_what_is_not_http_is_refused_and_closed(
    client: WireClient, data: bytes, status: int
) -> None:
    client.send(data)
    assert client.receive().status == status
    assert client.at_end()


def test_large_answers_are_compressed_for_those_who_can_read_them(client: WireClient) -> None:
    target = "/api/Product/Query?$top=50"
    plain = client.call("GET", target)
    packed = client.call("GET", target, headers="Accept-Encoding: gzip, deflate\r\n")
    small = client.call("GET", "/api/Product/PN-00001", headers="Accept-Encoding: gzip\r\n")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in small.headers


def test_the_version_sets_a_cookie(client: WireClient) -> None:
    answer = client.call("GET", "/api/App/Version")
    assert answer.headers["set-cookie"].startswith("sid=")
    assert answer.headers["set-cookie"].endswith("; Path=/")


def test_requests_are_recorded_as_they_were_on_the_wire(
    wats: WatsServer, client: WireClient
) -> None:
    client.call("PUT", "/api/Product?x=%41%20b+c", b'{"partNumber":"r"}', "X-MiXed: vAlue\r\n")
    (recorded,) = wats.requests()
    assert recorded.method == "PUT"
    assert recorded.target == "/api/Product?x=%41%20b+c"
    assert ("X-MiXed", "vAlue") in recorded.headers
    assert recorded.headers[0] == ("Host", "x")
    assert recorded.body == b'{"partNumber":"r"}'
    wats.clear_requests()
    assert wats.requests() == []


@pytest.mark.parametrize(
    "authorization", ["", "Authorization: Basic wrong\r\n", "Authorization: Bearer {token}\r\n"]
)
def test_a_wrong_token_is_refused(wats: WatsServer, client: WireClient, authorization: str) -> None:
    header = authorization.format(token=wats.token)
    client.send(f"GET /api/Product/PN-00001 HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
    answer = client.receive()
    assert answer.status == 401
    assert "Message" in answer.json()


def test_both_tokens_are_accepted(wats: WatsServer, client: WireClient) -> None:
    client.token = wats.second_token
    assert client.call("GET", "/api/Product/PN-00001").status == 200


def test_unknown_routes_and_methods_are_counted_as_unknown(
    wats: WatsServer, client: WireClient
) -> None:
    assert client.call("GET", "/api/Nothing/here").status == 404
    assert client.call("PATCH", "/api/Product").status == 405
    assert wats.stats()["requests"] == {"unknown": 2}


def test_the_answer_to_head_has_no_body(wats: WatsServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(wats.url.rpartition(":")[2]))
    for _ in range(2):
        connection.request("HEAD", "/api/App/Version")
        response = connection.getresponse()
        assert response.status == 401
        assert response.read() == b""
    connection.close()
