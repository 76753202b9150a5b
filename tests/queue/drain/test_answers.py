"""Which bodies are a receipt of WATS, and what is shown of those that are none."""

import pytest

from pywats_green.queue.drain.answers import first_words, is_receipt

RECEIPTS = [
    b'[{"ID": "x", "type": "T"}]',
    b'{"ID": "x"}',
    b'{"id": "x"}',
    b'{"ID": "", "uuid": "x"}',
    b'[{"uuid": "3f2504e0"}, {}]',
    b'"some-id"',
    b'\xef\xbb\xbf {"id": 7}\r\n',
]
NO_RECEIPTS = [
    b"",
    b" \r\n",
    b'""',
    b'" "',
    b"null",
    b"true",
    b"17",
    b"[]",
    b"{}",
    b"[{}]",
    b'[{}, {"id": "x"}]',
    b'["some-id"]',
    b'[{"id": "x"}, "y"]',
    b'{"id": ""}',
    b'{"id": null}',
    b'{"id": {"x": 1}}',
    b'{"id": true}',
    b'{"success": false}',
    b'{"Id": "x"}',
    b"some-id",  # upstream takes any text for an id
    b"OK",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
]
XML_RECEIPTS = [
    b"<string>some-id</string>",
    b'<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">some-id</string>',
    b'<?xml version="1.0"?><Result><ID>x</ID></Result>',
    b'<r:Result xmlns:r="urn:x"><r:uuid>x</r:uuid></r:Result>',
    b"<ArrayOfResult><Result><id>x</id></Result><Result/></ArrayOfResult>",
    b'<Reports><Report type="UUT" ID="x"/></Reports>',
]
NO_XML_RECEIPTS = [
    b"<string/>",
    b"<Result><ID> </ID></Result>",
    b"<Result><success>false</success></Result>",
    b"<error id='E1'>Sign in</error>",
    b'<html id="x" xmlns="http://www.w3.org/1999/xhtml"><body id="y">Sign in</body></html>',
    b"<List><Item/><Item><id>x</id></Item></List>",
    b"<Result><ID>x</ID>",
    b'<!DOCTYPE r [<!ENTITY a "aaaa">]><string>&a;</string>',
]


@pytest.mark.parametrize("body", RECEIPTS)
def test_receipts(body: bytes) -> None:
    assert is_receipt(body)
    assert is_receipt(body, xml=True)


@pytest.mark.parametrize("body", NO_RECEIPTS)
def test_no_receipts(body: bytes) -> None:
    assert not is_receipt(body)
    assert not is_receipt(body, xml=True)


@pytest.mark.parametrize("body", XML_RECEIPTS)
def test_xml_counts_for_wsxf_alone(body: bytes) -> None:
    assert is_receipt(body, xml=True)
    assert not is_receipt(body)


@pytest.mark.parametrize("body", NO_XML_RECEIPTS)
def test_xml_that_is_no_receipt(body: bytes) -> None:
    assert not is_receipt(body, xml=True)


def test_first_words_are_one_line_without_secrets() -> None:
    body = b"Authorization:\tBasic dG9rZW4=\r\nhttp://user:word@proxy/ \x1b[2J" + b"x" * 200
    words = first_words(body, "dG9rZW4=")
    assert words.startswith("Authorization: Basic *** http://proxy/ [2Jxxx")
    assert len(words) == 80
    assert first_words(b"") == ""
    assert first_words(b"\xff\x00") == "\ufffd"
