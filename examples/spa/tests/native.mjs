// The client as React Native has it: no browser around it.

import assert from "node:assert/strict";
import { createNativeApi } from "../dist/native/native.js";
import { tokenOf } from "./token.mjs";

export async function native({ api, step }) {
  const token = await tokenOf(api, "learner-1");
  const client = createNativeApi(api, { getToken: async () => token });
  const { data } = await client.GET("/v1/me");
  assert.equal(data.role, "user");
  await assert.rejects(client.GET("/v1/admin/stats"), (error) => error.code === "forbidden" && error.problem.status === 403);
  const stranger = createNativeApi(api, { getToken: async () => null });
  await assert.rejects(stranger.GET("/v1/me"), (error) => error.code === "unauthenticated");
  step("the client works without a browser");
}
