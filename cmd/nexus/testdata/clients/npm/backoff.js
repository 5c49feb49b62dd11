// Sees how the unmodified npm client takes a limit: it waits for as long as it is told, by itself, and throws its
// RateLimitError where it may not wait. Prints one JSON object a line: {"name": "…", "error": null or "…"}.
import OpenAI, { RateLimitError } from "openai";
import { baseURL, check } from "./common.js";

const attempts = [];

// watched is fetch, and notes when it was asked and what it was told.
async function watched(url, options) {
  const at = Date.now();
  const answer = await fetch(url, options);
  attempts.push({ at, status: answer.status, after: answer.headers.get("retry-after") });
  return answer;
}

function connect(client, maxRetries) {
  return new OpenAI({
    baseURL, apiKey: "unused", maxRetries, fetch: watched,
    defaultHeaders: { "X-Client-ID": client },
  });
}

const ask = (client) => client.chat.completions.create({ model: "demo-1", messages: [{ role: "user", content: "Hello" }] });

await check("waits as it is told and is answered", async () => {
  const client = connect("patient", 5);
  for (let i = 0; i < 3; i++) await ask(client);
  const refused = attempts.findIndex((a) => a.status === 429);
  if (refused < 0) throw new Error("no limit was met: " + JSON.stringify(attempts));
  const told = Number(attempts[refused].after) * 1000;
  const waited = attempts[refused + 1].at - attempts[refused].at;
  if (!(told >= 1000) || waited < told - 20) throw new Error(`told to wait ${told} ms, waited ${waited}`);
  if (attempts.at(-1).status !== 200) throw new Error("not answered in the end");
  if (attempts.length > 5) throw new Error("asked more often than it was told to: " + JSON.stringify(attempts));
});

await check("throws a RateLimitError where it may not wait", async () => {
  const client = connect("hasty", 0);
  await ask(client);
  await ask(client);
  const error = await ask(client).then(() => null, (cause) => cause);
  if (!(error instanceof RateLimitError) || error.status !== 429 || error.code !== "rate_limit_exceeded" || error.type !== "rate_limit_error") {
    throw new Error(`threw ${error?.constructor.name} ${error?.status} ${error?.code} ${error?.type}`);
  }
});
