// Drives a Nexus whose provider is of type openai with the unmodified Vercel AI SDK. common.js says how.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { baseURL, check, collect, failure, failures, identity, model, title, weather } from "./common.js";

const nexus = createOpenAICompatible({ name: "nexus", baseURL, headers: identity, includeUsage: true });
const ask = (prompt, more) => ({ model: nexus(model), prompt, maxRetries: 0, ...more });
const tools = {
  get_weather: tool({
    description: weather.description,
    inputSchema: jsonSchema(weather.parameters),
    execute: async ({ city }) => `17 degrees in ${city}`,
  }),
};

// parts are all that a stream says, its errors among them.
async function parts(prompt, more) {
  return collect(streamText(ask(prompt, { onError: () => {}, ...more })).fullStream);
}
const said = (all) => all.filter((p) => p.type === "text-delta").map((p) => p.text).join("");

await check("a text is generated", async () => {
  const answer = await generateText(ask("Hello"));
  assert.equal(answer.text, "You said: Hello");
  assert.equal(answer.finishReason, "stop");
  assert.equal(answer.response.modelId, model);
  assert.ok(answer.usage.totalTokens > 0);
});

await check("a text is streamed, with its usage", async () => {
  const all = await parts("words:100");
  assert.equal(said(all), Array(100).fill("word").join(" "));
  const last = all.at(-1);
  assert.equal(last.type, "finish");
  assert.ok(last.totalUsage.totalTokens > 0);
});

await check("a stream without usage has none, and is whole", async () => {
  const silent = createOpenAICompatible({ name: "nexus", baseURL, headers: identity });
  const all = await parts("Hello", { model: silent(model) });
  assert.equal(said(all), "You said: Hello");
  assert.equal(all.at(-1).totalUsage.totalTokens, undefined);
});

await check("a tool is called and its result goes back", async () => {
  const answer = await generateText(ask("tool: weather?", { tools, stopWhen: stepCountIs(3) }));
  assert.equal(answer.text, "The tool said: 17 degrees in Paris");
  assert.equal(answer.steps.length, 2);
});

await check("a tool is called in a stream and its result goes back", async () => {
  const all = await parts("tool:2 weather?", { tools, stopWhen: stepCountIs(3) });
  assert.equal(said(all), "The tool said: 17 degrees in Paris");
  assert.equal(all.filter((p) => p.type === "tool-result").length, 2);
});

await check("a value is embedded", async () => {
  const embedder = nexus.textEmbeddingModel("text-embedding-3-small");
  const one = await embed({ model: embedder, value: "Hello", maxRetries: 0 });
  assert.equal(one.embedding.length, 8);
  const two = await embedMany({ model: embedder, values: ["a", "b"], maxRetries: 0 });
  assert.equal(two.embeddings.length, 2);
});

for (const f of failures) {
  const chosen = f.model && { model: nexus(f.model) };
  await check(title(f), async () => {
    const error = await failure(() => generateText(ask(f.prompt, chosen)));
    assert.ok(APICallError.isInstance(error), `a ${error.name}: ${error.message}`);
    assert.equal(error.statusCode, f.status);
    assert.match(error.message, f.message);
    const body = JSON.parse(error.responseBody);
    assert.equal(body.error.type, f.type);
    assert.equal(body.error.code, f.code);
    assert.equal(error.isRetryable, f.status === 409 || f.status === 429 || f.status >= 500);
  });
  await check(`${title(f)}, before a stream begins`, async () => {
    const errors = (await parts(f.prompt, chosen)).filter((p) => p.type === "error");
    assert.equal(errors.length, 1);
    assert.equal(errors[0].error.statusCode, f.status);
  });
}

await check("an answer that breaks off is an error", () => failure(() => generateText(ask("cut:1"))));

await check("a stream that breaks off is an error, after what came before", async () => {
  const all = await parts("cut:4 one two three four");
  assert.ok(said(all).startsWith("You said: "), said(all));
  assert.ok(all.some((p) => p.type === "error"), `no error among ${all.map((p) => p.type)}`);
});

await check("a stream that the caller leaves is no error", async () => {
  const leave = new AbortController();
  for await (const part of streamText(ask("slow:50ms words:100", { abortSignal: leave.signal })).textStream) {
    assert.ok(part.length >= 0);
    leave.abort();
  }
});
