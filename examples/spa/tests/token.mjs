// Who is who: the development store gives a token to anybody.

import assert from "node:assert/strict";

export async function tokenOf(api, user) {
  const answer = await fetch(`${api}/dev/tokens`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).token;
}
