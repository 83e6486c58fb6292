#!/usr/bin/env python3
"""EXPLAIN as a command: what the requests of the API cost the database of a large store.

    bench/explain/explain.py [--scale 1] [--runs 24] [--lectern target/debug/lectern]

Starts a Postgres of its own, fills it with `lectern seed --scale`, serves it, sends every request with different ids and
prints for each the statements, the database's time at the median, and the sequential scans over tables that grow. Fails
when a request takes longer than 20 ms, or when one reads such a table from end to end. Times are read without
auto_explain, plans with it, in a second pass; one connection serves all, so that generic plans have their say."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from asked import requests
from postgres import Postgres, free_port

LIMIT = 20.0
# Tables that only the operator's or owner's own hand makes longer, or nobody's.
SMALL = {"country_discounts", "reconciler", "__diesel_schema_migrations"}
# Where the answer is the sum of the whole table. There are far fewer refunds than buyers.
WHOLE = {"owner: statistics": {"user_totals", "course_totals", "courses", "products", "refunds"}}
# What the worker does meanwhile on the same connection.
WORKER = re.compile(r'SKIP LOCKED|LISTEN|^\s*UPDATE "?(jobs|webhook_events)', re.IGNORECASE)
DURATION = re.compile(r"duration: ([0-9.]+) ms  (\w+)[^:]*: (.*)", re.DOTALL)
PLAN = re.compile(r"duration: [0-9.]+ ms  plan:\n(.*)", re.DOTALL)


def send(api, token, method, path, body=None):
    """Sends a request; waits when there were too many."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    headers |= {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(api + path, data, headers, method=method)
    while True:
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise RuntimeError(f"{method} {path}: {error.read().decode()}") from error
            time.sleep(float(error.headers["Retry-After"]))


def start(lectern, postgres):
    port = free_port()
    # Nothing is kept, so that every request has to ask.
    variables = os.environ | {"DATABASE_URL": postgres.url, "DATABASE_POOL_SIZE": "1", "CACHE_MIB": "0",
                              "RUST_LOG": "warn"}
    folder = os.path.join(postgres.folder, "store")
    os.mkdir(folder)
    log = open(os.path.join(folder, "log"), "w")
    server = subprocess.Popen([lectern, "dev", "--port", str(port)], cwd=folder, env=variables, stdout=log, stderr=log)
    api = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            send(api, None, "GET", "/readyz")
            return server, api
        except OSError:
            time.sleep(0.1)
    sys.exit("the store is not ready after a minute: " + open(log.name).read())


def timed(messages):
    """Statements and milliseconds, without the worker's."""
    lines = [match.groups() for match in map(DURATION.match, messages) if match]
    own = [(float(ms), step) for ms, step, text in lines if not WORKER.search(text)]
    return sum(step in ("execute", "statement") for _, step in own), sum(ms for ms, _ in own)


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def scans(messages):
    """Tables that were read from end to end, with the statement's beginning."""
    for match in filter(None, map(PLAN.match, messages)):
        explained = json.loads(match[1])
        for node in nodes(explained["Plan"]):
            if node["Node Type"].endswith("Seq Scan") and node["Actual Loops"] and node["Relation Name"] not in SMALL:
                yield node["Relation Name"], " ".join(explained["Query Text"].split())


def measure(postgres, api, asked):
    postgres.configure({"auto_explain.log_min_duration": "-1", "log_min_duration_statement": "0"})
    figures = {}
    for name, rows in asked:
        results = []
        for row in rows:
            postgres.skip()
            send(api, *row)
            results.append(timed(postgres.logged()))
        figures[name] = (statistics.median_high(count for count, _ in results), statistics.median(ms for _, ms in results),
                         max(ms for _, ms in results))
    postgres.configure({"auto_explain.log_min_duration": "0", "log_min_duration_statement": "-1"})
    read = {}
    for name, rows in asked:
        postgres.skip()
        for row in rows:
            send(api, *row)
        read[name] = {table: text for table, text in scans(postgres.logged())}
    return figures, read


def report(figures, read):
    print(f"{'request':36} {'statements':>10} {'median ms':>10} {'max ms':>8}  sequential scans")
    faults = 0
    for name, (count, median, most) in figures.items():
        wrong = {table: text for table, text in read[name].items() if table not in WHOLE.get(name, ())}
        faults += bool(wrong) + (median > LIMIT)
        print(f"{name:36} {count:10} {median:10.2f} {most:8.2f}  {', '.join(sorted(read[name])) or '-'}")
        for table, text in wrong.items():
            print(f"    WHOLE TABLE {table}: {text[:300]}")
        if median > LIMIT:
            print(f"    SLOWER than {LIMIT} ms")
    return faults


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--scale", default="1")
    options.add_argument("--runs", type=int, default=24)
    options.add_argument("--lectern", default="target/debug/lectern", help="the program, built with its default features")
    options = options.parse_args()
    lectern = os.path.abspath(options.lectern)
    postgres = Postgres()
    server = None
    try:
        begun = time.monotonic()
        subprocess.run([lectern, "seed", "--scale", options.scale], check=True, env=os.environ | {"DATABASE_URL": postgres.url})
        print(f"seeded in {time.monotonic() - begun:.1f} s, load {os.getloadavg()[0]:.1f}")
        server, api = start(lectern, postgres)

        def sign_in(user):
            return json.loads(send(api, None, "POST", "/dev/tokens", {"user": user}))["token"]

        asked = requests(postgres, sign_in, options.runs)
        if empty := [name for name, rows in asked if not rows]:
            sys.exit(f"nothing to ask for: {', '.join(empty)}")
        figures, read = measure(postgres, api, asked)
        faults = report(figures, read)
        print(f"{len(asked)} requests, {options.runs} runs each, {faults} faults, load {os.getloadavg()[0]:.1f}")
    finally:
        if server:
            server.terminate()
            server.wait()
        postgres.stop()
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
