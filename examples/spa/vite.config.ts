import { defineConfig } from "vite";

// Nothing is asked of anybody else, and the address decides which page is shown.
export default defineConfig({ appType: "spa", preview: { host: "127.0.0.1" }, build: { target: "es2023" } });
