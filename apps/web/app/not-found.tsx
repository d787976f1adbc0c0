import type { Metadata } from "next";

export const metadata: Metadata = { title: "Not found – luckyplans" };

export default function NotFound() {
  return (
    <main>
      <h1>Nothing is here</h1>
      <p className="lead">The address leads to no page.</p>
      {/* A whole new page, not next/link: what was loaded may be what is broken. */}
      <a className="button" href="/">
        To the plans
      </a>
    </main>
  );
}
