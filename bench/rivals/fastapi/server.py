"""FastAPI with SQLAlchemy over asyncpg, in two workers of uvicorn."""

import asyncio
import ctypes
import os
import signal
import socket
import time
from pathlib import Path
from uuid import UUID

import jwt
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

CONNECTIONS_OF_A_WORKER = 4
REMEMBERED_TOKENS = 10_000
REMEMBERED_SECONDS = 60

ISSUER = os.environ["CLERK_ISSUER"]
PARTIES = os.environ["CLERK_AUTHORIZED_PARTIES"].split(",")
PR_SET_PDEATHSIG = 1

# asyncpg does not know libpq's parameters.
DATABASE_URL = os.environ["DATABASE_URL"].partition("?")[0].replace("postgres", "postgresql+asyncpg", 1)

# Each statement is a transaction of its own, so that nothing has to be begun or rolled back.
engine = create_async_engine(
    DATABASE_URL,
    isolation_level="AUTOCOMMIT",
    pool_size=CONNECTIONS_OF_A_WORKER,
    max_overflow=0,
    pool_reset_on_return=None,
    # As Lectern's connections have it.
    connect_args={"server_settings": {"jit": "off", "random_page_cost": "1.1"}},
)
app = FastAPI(openapi_url=None)


def statement(name):
    """What comes of it is a status, and a body as text. asyncpg prepares it once in each connection and keeps it."""
    return text(Path(os.environ["STATEMENTS"], f"{name}.sql").read_text())


CATALOGUE = statement("catalogue")
PRODUCT = statement("product")
MY_COURSES = statement("my_courses")
LESSON = statement("lesson")
COMPLETE = statement("complete")
UNCOMPLETE = statement("uncomplete")
PLAYER = statement("player")


async def answer(query, values=None):
    async with engine.connect() as connection:
        row = (await connection.execute(query, values)).first()
    status, body = row or (404, None)
    # Postgres has written the body; there is nothing to serialise.
    return Response(body, status, media_type="application/json")


keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", cache_keys=True)
remembered = {}


async def sender(request: Request):
    """The Clerk id of whoever sent the `Authorization` header; None for nobody. 401 for a bad token."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return None
    person, until = remembered.get(authorization, (None, 0))
    if time.time() < until:
        return person
    scheme, _, token = authorization.partition(" ")
    try:
        key = await asyncio.to_thread(keys.get_signing_key_from_jwt, token)
        required = {"require": ["exp", "nbf", "sub"], "verify_aud": False}
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER, leeway=5, options=required)
    except jwt.PyJWTError:
        raise HTTPException(401)
    if scheme.lower() != "bearer" or claims.get("azp", PARTIES[0]) not in PARTIES:
        raise HTTPException(401)
    if len(remembered) >= REMEMBERED_TOKENS:
        remembered.clear()
    remembered[authorization] = claims["sub"], min(claims["exp"], time.time() + REMEMBERED_SECONDS)
    return claims["sub"]


async def somebody(request: Request):
    person = await sender(request)
    if person is None:
        raise HTTPException(401)
    return person


@app.get("/readyz")
async def ready():
    return Response()


@app.get("/v1/products")
async def catalogue():
    return await answer(CATALOGUE)


@app.get("/v1/products/{id}")
async def product(id: UUID):
    return await answer(PRODUCT, {"id": id})


@app.get("/v1/me/courses")
async def my_courses(request: Request):
    return await answer(MY_COURSES, {"person": await somebody(request)})


@app.get("/v1/courses/{course}")
async def player(request: Request, course: UUID):
    return await answer(PLAYER, {"person": await somebody(request), "course": course})


@app.get("/v1/courses/{course}/lessons/{lesson}")
async def lesson(request: Request, course: UUID, lesson: UUID):
    return await answer(LESSON, {"person": await sender(request), "course": course, "lesson": lesson})


@app.put("/v1/me/lessons/{lesson}/completion")
async def complete(request: Request, lesson: UUID):
    return await answer(COMPLETE, {"person": await somebody(request), "lesson": lesson})


@app.delete("/v1/me/lessons/{lesson}/completion")
async def uncomplete(request: Request, lesson: UUID):
    return await answer(UNCOMPLETE, {"person": await somebody(request), "lesson": lesson})


def serve():
    host, port = os.environ["BIND_ADDR"].rsplit(":", 1)
    listener = socket.socket()
    # Connections are shared out among the workers; one socket for both would give nearly all to whoever is awake.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, int(port)))
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    if os.fork() == 0:
        # The second ends with the first.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    serve()
