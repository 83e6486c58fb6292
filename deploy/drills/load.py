"""Load on a store while something is done to it: visitors who look at the catalogue, and deliveries of Stripe and Clerk.

    load.py URL FOLDER

FOLDER holds `stripe` and `clerk`, the secrets that deliveries are signed with, read again for each. It ends when FOLDER
has a file `stop`. `acknowledged` then names every event that was answered with 200, and `failures` what went wrong.
"""

import base64
import hashlib
import hmac
import http.client
import json
import pathlib
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

HOST = urllib.parse.urlsplit(sys.argv[1]).netloc
FOLDER = pathlib.Path(sys.argv[2])
# The certificate is the drill's own.
TLS = ssl._create_unverified_context()
stop = threading.Event()
lock = threading.Lock()
failures, acknowledged, visits = [], [], 0


def connect():
    return http.client.HTTPSConnection(HOST, timeout=20, context=TLS)


def visit():
    """One visitor: request after request over a connection that is kept."""
    global visits
    connection, fresh = connect(), True
    while not stop.is_set():
        try:
            connection.request("GET", "/v1/products")
            answer = connection.getresponse()
            body = answer.read()
            with lock:
                visits += 1
                if answer.status != 200:
                    failures.append(f"visit: {answer.status} {body[:200]}")
            fresh = False
        except (OSError, http.client.HTTPException) as error:
            # A connection that was kept may be closed at any time, and a GET is asked again (RFC 9110, 9.2.2).
            if fresh:
                with lock:
                    failures.append(f"visit: {error!r}")
            connection.close()
            connection, fresh = connect(), True
        stop.wait(0.01)


def stripe(event, now):
    body = {
        "id": event, "object": "event", "type": "plan.created", "api_version": "2026-09-30.endive", "created": now,
        "livemode": False, "pending_webhooks": 1, "request": None, "data": {"object": {"id": "plan_drill"}},
    }
    body = json.dumps(body).encode()
    secret = (FOLDER / "stripe").read_text().strip().encode()
    signature = hmac.new(secret, b"%d." % now + body, hashlib.sha256).hexdigest()
    return body, {"stripe-signature": f"t={now},v1={signature}"}


def clerk(event, now):
    user = {"id": "user_" + event[4:], "object": "user", "email_addresses": [], "updated_at": now * 1000, "created_at": now * 1000}
    body = {"type": "user.created", "object": "event", "instance_id": "ins_drill", "timestamp": now * 1000, "data": user}
    body = json.dumps(body).encode()
    secret = base64.b64decode((FOLDER / "clerk").read_text().strip().removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(secret, f"{event}.{now}.".encode() + body, hashlib.sha256).digest()).decode()
    return body, {"svix-id": event, "svix-timestamp": str(now), "svix-signature": f"v1,{signature}"}


def deliver(provider, make):
    """A provider: each delivery over a connection of its own, and none of them twice."""
    while not stop.is_set():
        event = "evt_" + uuid.uuid4().hex
        try:
            connection = connect()
            body, headers = make(event, int(time.time()))
            connection.request("POST", f"/v1/webhooks/{provider}", body, headers | {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            with lock:
                if answer.status == 200:
                    acknowledged.append(event)
                else:
                    failures.append(f"{provider}: {answer.status} {text[:200]}")
        except (OSError, http.client.HTTPException) as error:
            with lock:
                failures.append(f"{provider}: {error!r}")
        stop.wait(0.02)


threads = [threading.Thread(target=visit) for _ in range(4)]
threads += [threading.Thread(target=deliver, args=both) for both in (("stripe", stripe), ("clerk", clerk))]
for thread in threads:
    thread.start()
while not (FOLDER / "stop").exists():
    time.sleep(0.1)
stop.set()
for thread in threads:
    thread.join()
(FOLDER / "acknowledged").write_text("".join(event + "\n" for event in acknowledged))
(FOLDER / "failures").write_text("".join(failure + "\n" for failure in failures))
print(f"{visits} visits and {len(acknowledged)} deliveries were answered, {len(failures)} failed")
