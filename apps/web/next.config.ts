import path from "node:path";
import type { NextConfig } from "next";

const workspaceRoot = path.join(import.meta.dirname, "../..");

const nextConfig: NextConfig = {
  output: "standalone",
  // The dependencies lie in the workspace's node_modules, above this folder.
  outputFileTracingRoot: workspaceRoot,
  turbopack: { root: workspaceRoot },
  poweredByHeader: false,
  // "pnpm lint" checks the types of all three applications; an image need not wait for it.
  typescript: { ignoreBuildErrors: true },
  // There are no images to resize, so no image library has to be shipped.
  images: { unoptimized: true },
  experimental: {
    // The file system of the container is read-only.
    isrFlushToDisk: false,
  },
  async rewrites() {
    // Browsers ask for it unasked, whatever the page says.
    return [{ source: "/favicon.ico", destination: "/icon.svg" }];
  },
  async headers() {
    return [
      {
        source: "/:path*",
        headers: [
          { key: "X-Content-Type-Options", value: "nosniff" },
          { key: "X-Frame-Options", value: "DENY" },
          { key: "Referrer-Policy", value: "strict-origin-when-cross-origin" },
          { key: "Permissions-Policy", value: "camera=(), geolocation=(), microphone=()" },
        ],
      },
    ];
  },
};

export default nextConfig;
