"""Load on a store while something is done to it: visitors who look at the catalogue, and deliveries of Stripe and Clerk.

    load.py URL FOLDER

FOLDER holds `stripe` and `clerk`, the secrets that deliveries are signed with, read again for each. Where it has `product`,
the id of one that costs something, people buy that as well and `learner-1` looks at a course: only a development store gives
them tokens, and lets them pay. It ends when FOLDER has a file `stop`, and leaves there

    acknowledged    the event of every delivery that was answered with 200
    paid            the checkout of everybody who has paid, and was told that it is fulfilled
    answers         of each answer: when it was asked for, how long it took, who asked, its status
    failures        what is no success and no 503 that says when to come back
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

STORE = urllib.parse.urlsplit(sys.argv[1])
FOLDER = pathlib.Path(sys.argv[2])
# The certificate is the drill's own.
TLS = ssl._create_unverified_context()
JSON = {"content-type": "application/json"}
stop = threading.Event()
lock = threading.Lock()
failures, acknowledged, paid, answers = [], [], [], []


def connect():
    if STORE.scheme == "https":
        return http.client.HTTPSConnection(STORE.netloc, timeout=20, context=TLS)
    return http.client.HTTPConnection(STORE.netloc, timeout=20)


def ask(connection, who, method, path, body=None, headers={}, fine=(200, 201)):
    """The status and the text of an answer, which is written down."""
    begun = time.time()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    comes_back = answer.status == 503 and answer.headers["retry-after"] and b'"code"' in text
    with lock:
        answers.append(f"{begun:.3f} {time.time() - begun:.3f} {who} {answer.status}")
        if answer.status not in fine and not comes_back:
            failures.append(f"{who}: {answer.status} {text[:200]}")
    return answer.status, text


def ask_once(who, *request, **more):
    """Asks over a connection of its own. Without an answer there is no status."""
    connection = connect()
    try:
        return ask(connection, who, *request, **more)
    except (OSError, http.client.HTTPException) as error:
        with lock:
            failures.append(f"{who}: {error!r}")
        return None, b""
    finally:
        connection.close()


def visit(who, path):
    """One visitor: request after request over a connection that is kept."""
    connection, fresh = connect(), True
    while not stop.is_set():
        try:
            ask(connection, who, "GET", path)
            fresh = False
        except (OSError, http.client.HTTPException) as error:
            # A connection that was kept may be closed at any time, and a GET is asked again (RFC 9110, 9.2.2).
            if fresh:
                with lock:
                    failures.append(f"{who}: {error!r}")
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
        body, headers = make(event, int(time.time()))
        status, _ = ask_once(provider, "POST", f"/v1/webhooks/{provider}", body, headers | JSON)
        if status == 200:
            with lock:
                acknowledged.append(event)
        stop.wait(0.02)


def token_of(person):
    _, text = ask_once("token", "POST", "/dev/tokens", json.dumps({"user": person}), JSON)
    return {"authorization": "Bearer " + json.loads(text)["token"]}


def insist(*request, **more):
    """Asks until the answer is a success."""
    while True:
        status, text = ask_once(*request, **more)
        if status in (200, 201):
            return json.loads(text)
        time.sleep(0.2)


def buy(product):
    """People who buy, one after the other, and do not give up."""
    order = {"productId": product, "uiMode": "hosted", "returnUrl": "http://localhost/{CHECKOUT_ID}"}
    while not stop.is_set():
        token = token_of(uuid.uuid4().hex)
        # The attempt before may not have given its key back yet: 409.
        checkout = insist(
            "buyer", "POST", "/v1/checkout/sessions", json.dumps(order),
            token | JSON | {"idempotency-key": uuid.uuid4().hex}, fine=(201, 409),
        )
        page = urllib.parse.urlsplit(checkout["url"])
        till = http.client.HTTPConnection(page.netloc, timeout=20)
        till.request("POST", page.path, "outcome=paid", {"content-type": "application/x-www-form-urlencoded"})
        assert till.getresponse().status == 303
        till.close()
        while insist("buyer", "GET", "/v1/checkout/sessions/" + checkout["id"], None, token)["status"] != "fulfilled":
            time.sleep(0.2)
        with lock:
            paid.append(checkout["id"])


def learn():
    """Looks at a course, which may be taken away."""
    token = token_of("learner-1")
    course = insist("learner", "GET", "/v1/me/courses", None, token)["data"][0]["id"]
    while not stop.is_set():
        ask_once("learner", "GET", f"/v1/courses/{course}", None, token, fine=(200, 403))
        stop.wait(0.05)


work = [(visit, "visitor", "/v1/products")] * 4 + [(deliver, "stripe", stripe), (deliver, "clerk", clerk)]
if (FOLDER / "product").exists():
    work += [(buy, (FOLDER / "product").read_text().strip())] * 2 + [(learn,), (visit, "alive", "/healthz")]
threads = [threading.Thread(target=does, args=what) for does, *what in work]
for thread in threads:
    thread.start()
while not (FOLDER / "stop").exists():
    time.sleep(0.1)
stop.set()
for thread in threads:
    thread.join()
for name in ("acknowledged", "paid", "answers", "failures"):
    (FOLDER / name).write_text("".join(line + "\n" for line in globals()[name]))
told = len(answers) - len(acknowledged)
print(f"{told} requests and {len(acknowledged)} deliveries were answered, {len(failures)} failed")
