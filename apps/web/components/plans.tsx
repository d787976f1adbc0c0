"use client";

import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";
import { createPlan, listPlans, type Plan } from "../lib/plans-api";

const TITLE_MAX = 120;

type Loaded = Plan[] | "loading" | "failed";

export function Plans() {
  const [plans, setPlans] = useState<Loaded>("loading");
  const [title, setTitle] = useState("");
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<{ text: string; about: "title" | "list" } | null>(null);
  const input = useRef<HTMLInputElement>(null);

  const load = useCallback(async () => {
    try {
      setPlans(await listPlans());
    } catch (reason) {
      // A list that is on the screen already stays there.
      setPlans((shown) => (Array.isArray(shown) ? shown : "failed"));
      setError({ text: (reason as Error).message, about: "list" });
    }
  }, []);

  useEffect(() => {
    void load();
  }, [load]);

  function retry(): void {
    setError(null);
    setPlans("loading");
    void load();
  }

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (saving) {
      return;
    }
    setError(null);
    input.current?.focus();
    if (title.trim() === "") {
      setError({ text: "Give the plan a title.", about: "title" });
      return;
    }
    setSaving(true);
    try {
      await createPlan(title);
      setTitle("");
      // Asked for again, so that what others added shows too.
      await load();
    } catch (reason) {
      setError({ text: (reason as Error).message, about: "title" });
    } finally {
      setSaving(false);
    }
  }

  return (
    <>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <label htmlFor="title">New plan</label>
        <div className="row">
          <input
            id="title"
            name="title"
            ref={input}
            value={title}
            onChange={(event) => setTitle(event.target.value)}
            maxLength={TITLE_MAX}
            autoComplete="off"
            required
            aria-invalid={error?.about === "title"}
            aria-describedby={error?.about === "title" ? "error" : undefined}
            data-testid="plan-title"
          />
          {/* Not "disabled" while it saves: the button would lose the focus. */}
          <button type="submit" aria-disabled={saving} data-testid="plan-submit">
            {saving ? "Saving…" : "Add plan"}
          </button>
        </div>
      </form>

      <div role="alert">
        {error && (
          <p id="error" className="error" data-testid="plan-error">
            {error.text}
          </p>
        )}
      </div>

      <section aria-labelledby="plans">
        <h2 id="plans">Plans</h2>
        <PlanList plans={plans} onRetry={retry} />
      </section>
    </>
  );
}

function PlanList({ plans, onRetry }: { plans: Loaded; onRetry: () => void }) {
  if (plans === "failed") {
    return (
      <button type="button" onClick={onRetry}>
        Load the plans again
      </button>
    );
  }
  if (plans === "loading") {
    return <p role="status">Loading the plans…</p>;
  }
  if (plans.length === 0) {
    return <p role="status">No plans yet. Add the first one above.</p>;
  }
  return (
    <ul data-testid="plan-list">
      {plans.map((plan) => (
        <li key={plan.id} data-testid="plan-item">
          <span className="title">{plan.title}</span>
          <time dateTime={plan.createdAt}>{formatDate(plan.createdAt)}</time>
        </li>
      ))}
    </ul>
  );
}

function formatDate(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
