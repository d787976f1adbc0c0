/** For probes: answers as long as the server does, whatever the API is doing. */
export function GET(): Response {
  return Response.json({ status: "ok" });
}
