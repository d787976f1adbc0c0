"use client";

export default function ErrorPage({ reset }: { reset: () => void }) {
  return (
    <main>
      <h1>Something went wrong</h1>
      <p className="lead" role="alert">
        The page cannot be shown. What you saved is safe.
      </p>
      <button type="button" onClick={reset}>
        Try again
      </button>
    </main>
  );
}
