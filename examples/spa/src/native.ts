// The same client in React Native: nothing in it needs a browser. `auth` is what Clerk's `useAuth()` returns.

import { type Api, createApi } from "./api";

export const createNativeApi = (baseUrl: string, auth: { getToken(): Promise<string | null> }): Api =>
  createApi(baseUrl, () => auth.getToken());
