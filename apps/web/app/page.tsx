import { Plans } from "../components/plans";

export default function Page() {
  return (
    <main>
      <h1>luckyplans</h1>
      <p className="lead">Write down what you plan to do.</p>
      <noscript>
        <p className="notice error">This page needs JavaScript. Switch it on and load the page again.</p>
      </noscript>
      <Plans />
    </main>
  );
}
