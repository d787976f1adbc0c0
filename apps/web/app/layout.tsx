import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import "./globals.css";

// In the page itself: no second request, and none that fails.
const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
  "<circle cx='8' cy='8' r='7' fill='%231f6f4a'/></svg>";

export const metadata: Metadata = {
  title: "luckyplans",
  description: "Write down what you plan to do.",
  icons: { icon: ICON },
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
