// The same client in React Native: nothing in it needs a browser. `auth` is what Clerk's `useAuth()` returns, `newKey` is
// `randomUUID` of `expo-crypto`, which React Native has nothing of itself for.

import { type Api, createApi } from "./api";

export const createNativeApi = (
  baseUrl: string,
  auth: { getToken(): Promise<string | null> },
  newKey: () => string,
): Api => createApi(baseUrl, () => auth.getToken(), newKey);
