"""A client of the debug adapter protocol: `debug_client.py PROGRAM LINE EXPRESSION TIMES`.

Prints the value of the expression each time that the breakpoint is hit.
"""

import json
import socket
import subprocess
import sys
import time

TIMEOUT = 60


class Client:
    def __init__(self, port):
        self._socket = self._connected(port)
        self._file = self._socket.makefile("rb")
        self._sent = 0

    @staticmethod
    def _connected(port):
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), TIMEOUT)
            except ConnectionRefusedError:
                time.sleep(0.05)

    def send(self, command, **arguments):
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        data = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))

    def receive(self, kind, name):
        while True:
            length = 0
            while line := self._file.readline().strip():
                length = int(line.partition(b":")[2])
            message = json.loads(self._file.read(length))
            if message["type"] == kind and name in (message.get("event"), message.get("command")):
                return message.get("body", {})

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        return self.receive("response", command)


def main(program, line, expression, times):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = ["-Xfrozen_modules=off"] * (sys.version_info >= (3, 11))
    server += ["-m", "debugpy", "--listen", f"127.0.0.1:{port}", "--wait-for-client", program]
    process = subprocess.Popen([sys.executable, *server])
    try:
        client = Client(port)
        client.ask("initialize", adapterID="test", pathFormat="path")
        client.send("attach", type="debugpy", request="attach", name="test", justMyCode=False)
        client.receive("event", "initialized")
        client.ask("setBreakpoints", source={"path": program}, breakpoints=[{"line": int(line)}])
        client.send("configurationDone")
        for _ in range(int(times)):
            thread = client.receive("event", "stopped")["threadId"]
            frame = client.ask("stackTrace", threadId=thread)["stackFrames"][0]
            value = client.ask("evaluate", expression=expression, frameId=frame["id"])["result"]
            print(frame["line"], value, flush=True)
            client.send("continue", threadId=thread)
        client.receive("event", "terminated")
        client.send("disconnect")
        process.wait(TIMEOUT)
    finally:
        process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
