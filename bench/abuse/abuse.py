#!/usr/bin/env python3
"""Starts a store, mistreats it in one way after the other, and looks how somebody who behaves fares meanwhile.

For each attack it prints the memory of the program before, at its highest and afterwards, and how long the good client
waited: for the catalogue, and for a delivery to be taken that is signed as Stripe would. It fails when that one is not
answered, waits for more than two seconds at the 99th percentile, when memory grows by more than an attack may cost, or when
an attack was smaller than it says. It needs Python 3 and `cargo build`.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAM = os.path.join(ROOT, "target/debug/lectern")
SECONDS = float(os.environ.get("ABUSE_SECONDS", "8"))
# What one attack may cost.
MEBIBYTES = 400
WAIT_P99 = 2.0
# What a store is given unless its operator says otherwise: it has to raise that by itself.
USUAL_OPEN_FILES = 1024
# What the development store's own Stripe signs with.
WEBHOOK_SECRET = b"whsec_local"
# The good client's address, which is not that of the attackers.
GOOD_ADDRESS = "127.0.0.2"
# Beside an attack's connections: those of the good client and of Postgres, and the program's own files.
OTHER_FILES = 200


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Store:
    """`lectern dev` in a folder of its own."""

    def __init__(self, folder):
        self.port = free_port()
        self.log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
        limits = {f"RATE_LIMIT_{of}": "1000000" for of in ("ANONYMOUS", "USER", "CHECKOUT")}
        environment = {**os.environ, **limits, "LOG_FORMAT": "json"}
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.process = subprocess.Popen(
            [PROGRAM, "dev", "--port", str(self.port)], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (min(USUAL_OPEN_FILES, hard), hard)),
        )
        self.connections = 0

    def memory(self):
        """Resident, in MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def connect(self):
        connection = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        return connection

    async def ask(self, path, token=None):
        """The status of an answer on a connection of its own, and how long it took."""
        begun = time.monotonic()
        reader, writer = await self.connect()
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n".encode())
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]), time.monotonic() - begun

    async def ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, IndexError):
                if (await self.ask("/readyz"))[0] == 200:
                    return
            await asyncio.sleep(0.1)
        sys.exit("the store is not ready in time")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()


async def hold(store, first, more=b"", every=1.0):
    """Sends the first bytes on a connection, then the others again and again, until the server ends it."""
    with contextlib.suppress(OSError):
        reader, writer = await store.connect()
        try:
            writer.write(first)
            while True:
                if more:
                    writer.write(more)
                    await writer.drain()
                # Not wait_for: of a cancellation at the same moment it may tell nobody.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        if not await reader.read(65536):
                            return
        finally:
            writer.close()


async def many(count, make):
    await asyncio.gather(*(make() for _ in range(count)))


def idle_connections(store):
    return many(10_000, lambda: hold(store, b"", every=3600))


def slow_heads(store):
    return many(1_000, lambda: hold(store, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a"))


def half_open_connections(store):
    return many(1_000, lambda: hold(store, b"GET /v1/products HTT", every=3600))


def slow_bodies(store):
    head = b"POST /v1/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n"
    return many(500, lambda: hold(store, head, b"a" * 1000))


def held_bodies(store):
    head = b"POST /v1/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n"
    return many(2_000, lambda: hold(store, head + b"a" * 499_999, every=3600))


def huge_bodies(store):
    told = b"POST /v1/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n"
    chunked = b"POST /v1/webhooks/clerk HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    return asyncio.gather(
        many(50, lambda: hold(store, told, b"a" * 65536, every=0.01)),
        many(50, lambda: hold(store, chunked, chunk, every=0.01)),
    )


def many_headers(store):
    headers = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 100) for n in range(5_000))
    return many(50, lambda: again(lambda: hold(store, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + headers)))


def slow_readers(store):
    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def never_read():
        with contextlib.suppress(OSError):
            _, writer = await store.connect()
            writer.transport.pause_reading()
            writer.write(request)
            try:
                await asyncio.sleep(3600)
            finally:
                writer.transport.abort()

    return many(50, never_read)


def unknown_keys(store):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    async def ask():
        head = {"alg": "RS256", "typ": "JWT", "kid": secrets.token_hex(8)}
        claims = {"sub": "user_1", "exp": int(time.time()) + 60}
        status, _ = await store.ask("/v1/me", f"{part(head)}.{part(claims)}.c2ln")
        assert status == 401, status

    return many(20, lambda: again(ask))


async def again(work):
    while True:
        with contextlib.suppress(OSError, IndexError):
            await work()
        await asyncio.sleep(0)


# Each with how many connections it has to have made.
ATTACKS = {
    idle_connections: 10_000, half_open_connections: 1_000, slow_heads: 1_000, slow_bodies: 500, held_bodies: 2_000,
    huge_bodies: 100, many_headers: 50, slow_readers: 50, unknown_keys: 50,
}


def delivery():
    """An event that the store has no use for, with the development store's own signature."""
    event = {"id": f"evt_{secrets.token_hex(12)}", "object": "event", "type": "plan.created", "data": {"object": {}}}
    body, now = json.dumps(event), int(time.time())
    signature = hmac.new(WEBHOOK_SECRET, f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    return body, {"Stripe-Signature": f"t={now},v1={signature}"}


def behave(port, seconds):
    """Asks for the catalogue and delivers an event by turns, twenty times a second, each time on a connection of its own;
    prints how long it waited."""
    waits, begun = [], time.monotonic()
    while time.monotonic() < begun + seconds:
        asked = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(GOOD_ADDRESS, 0))
        with contextlib.closing(connection):
            if len(waits) % 2:
                connection.request("POST", "/v1/webhooks/stripe", *delivery())
            else:
                connection.request("GET", "/v1/products")
            status = connection.getresponse().status
        assert status == 200, f"the good client was answered {status}"
        waits.append(time.monotonic() - asked)
        time.sleep(0.05)
    print(json.dumps(waits))


async def suffer(store, attack):
    before, peak, store.connections = store.memory(), 0, 0
    attackers = asyncio.ensure_future(attack(store))
    # In a process of its own: it waits for the store, never for the attackers.
    good = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--behave", str(store.port), str(SECONDS), stdout=subprocess.PIPE,
    )
    told = asyncio.ensure_future(good.communicate())
    while not told.done():
        peak = max(peak, store.memory())
        await asyncio.sleep(0.1)
    attackers.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attackers
    await asyncio.sleep(1)
    name = attack.__name__.replace("_", " ")
    if good.returncode:
        return f"{name}: the good client was not served"
    waits = sorted(json.loads(told.result()[0]))
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    print(
        f"| {name} | {before:.0f} | {peak:.0f} | {store.memory():.0f} "
        f"| {store.connections} | {len(waits)} | {p50 * 1000:.0f} | {p99 * 1000:.0f} | {waits[-1] * 1000:.0f} |", flush=True,
    )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if store.connections < min(ATTACKS[attack], hard - OTHER_FILES):
        return f"{name}: only {store.connections} connections were made"
    if peak - before > MEBIBYTES:
        return f"{name}: {peak - before:.0f} MiB"
    if p99 > WAIT_P99:
        return f"{name}: the good client waited {p99:.1f} s"
    return None


async def main():
    # Whoever ends this ends the store as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="lectern-abuse.", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        store = Store(folder)
        try:
            await store.ready()
            print("| attack | MiB before | highest | after | connections | good requests | p50 ms | p99 ms | max ms |")
            print("|---|---|---|---|---|---|---|---|---|")
            chosen = [attack for attack in ATTACKS if not sys.argv[1:] or attack.__name__ in sys.argv[1:]]
            faults = [fault for attack in chosen if (fault := await suffer(store, attack))]
        finally:
            code = store.stop()
        if code or faults:
            store.log.seek(0)
            sys.exit("\n".join([*faults, f"the program ended with {code}", store.log.read()[-2000:]]))


if sys.argv[1:2] == ["--behave"]:
    behave(int(sys.argv[2]), float(sys.argv[3]))
else:
    asyncio.run(main())
