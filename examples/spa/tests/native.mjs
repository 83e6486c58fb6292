// The client as React Native has it: no browser around it.

import assert from "node:assert/strict";
import { createNativeApi } from "../dist/native/native.js";
import { tokenOf } from "./token.mjs";

export async function native({ api, step }) {
  const token = await tokenOf(api, "learner-1");
  // React Native has no such thing.
  Object.defineProperty(globalThis.crypto, "randomUUID", { value: undefined });
  let keys = 0;
  const newKey = () => `native-${(keys += 1)}`;
  const client = createNativeApi(api, { getToken: async () => token }, newKey);
  const { data } = await client.GET("/v1/me");
  assert.equal(data.role, "user");
  await assert.rejects(client.GET("/v1/admin/stats"), (error) => error.code === "forbidden" && error.problem.status === 403);
  await assert.rejects(client.POST("/v1/checkout/sessions", { body: {} }), (error) => error.code === "invalid");
  assert.equal(keys, 1);
  await assert.rejects(
    client.POST("/v1/checkout/sessions", { body: {}, headers: { "Idempotency-Key": "kept" } }),
    (error) => error.code === "invalid",
  );
  assert.equal(keys, 1);
  const stranger = createNativeApi(api, { getToken: async () => null }, newKey);
  await assert.rejects(stranger.GET("/v1/me"), (error) => error.code === "unauthenticated");
  step("the client works without a browser");
}
