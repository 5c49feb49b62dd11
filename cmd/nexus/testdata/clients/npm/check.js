// Drives a running Nexus with the unmodified OpenAI client and says what it saw, one JSON object a
// line: {"name": "…", "error": null or "…"}. The address comes from NEXUS_URL. The exit code is 0 if
// every check was carried out, whatever it found: the reader of the lines judges.
import assert from "node:assert/strict";
import OpenAI from "openai";

const baseURL = process.env.NEXUS_URL + "/llm/v1";
const model = "demo-1";
const identity = { "X-Client-ID": "npm-client", "X-User-Tier": "pro" };

const connect = (headers) =>
  new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0, timeout: 20_000, defaultHeaders: headers });
const client = connect(identity);
const say = (content) => ({ model, messages: [{ role: "user", content }] });

const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function check(name, body) {
  let error = null;
  try {
    await body();
  } catch (cause) {
    error = String(cause?.stack ?? cause);
  }
  console.log(JSON.stringify({ name, error }));
}

// refused runs a call that must fail, and holds the error against what Nexus promises. A type of null
// is one that Nexus does not promise.
async function refused(call, Class, status, type, code) {
  let error;
  try {
    await call();
  } catch (cause) {
    error = cause;
  }
  assert.ok(error, "the call was answered");
  assert.ok(error instanceof Class, `a ${error.constructor.name}, not a ${Class.name}: ${error.message}`);
  assert.equal(error.status, status);
  if (type !== null) assert.equal(error.type, type);
  assert.equal(error.code, code);
  assert.ok(error.requestID, "no request id");
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
const text = (chunks) => chunks.map((c) => c.choices[0]?.delta?.content ?? "").join("");
const finish = (chunks) => chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean);

function usable(usage) {
  assert.ok(usage.prompt_tokens > 0, "no prompt tokens");
  assert.ok(usage.completion_tokens > 0, "no completion tokens");
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

await check("a chat is answered", async () => {
  const answer = await client.chat.completions.create(say("Hello"));
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, model);
  assert.equal(answer.choices.length, 1);
  assert.equal(answer.choices[0].message.role, "assistant");
  assert.ok(answer.choices[0].message.content.length > 0, "an empty answer");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.ok(answer._request_id, "no request id");
  usable(answer.usage);
});

await check("the same question has the same answer", async () => {
  const ask = async () => (await client.chat.completions.create(say("Hello"))).choices[0].message.content;
  assert.equal(await ask(), await ask());
});

await check("a stream says what the whole answer says", async () => {
  const whole = await client.chat.completions.create(say("Hello"));
  const chunks = await collect(await client.chat.completions.create({ ...say("Hello"), stream: true }));
  assert.ok(chunks.length > 2, "a stream of one piece");
  assert.equal(text(chunks), whole.choices[0].message.content);
  assert.deepEqual(finish(chunks), ["stop"]);
  for (const chunk of chunks) {
    assert.equal(chunk.object, "chat.completion.chunk");
    assert.equal(chunk.model, model);
    assert.equal(chunk.id, chunks[0].id);
    assert.equal(chunk.choices.length, 1, "a usage chunk that nobody asked for");
  }
});

await check("a stream reports usage when asked", async () => {
  const chunks = await collect(
    await client.chat.completions.create({ ...say("Hello"), stream: true, stream_options: { include_usage: true } }),
  );
  const last = chunks.at(-1);
  assert.deepEqual(last.choices, []);
  usable(last.usage);
  for (const chunk of chunks.slice(0, -1)) assert.equal(chunk.usage ?? null, null);
});

await check("the client's own stream helper assembles the answer", async () => {
  const answer = await client.chat.completions.stream(say("Hello")).finalChatCompletion();
  assert.ok(answer.choices[0].message.content.length > 0);
});

await check("a tool is called and its result is quoted", async () => {
  const messages = [{ role: "user", content: "tool: what is the weather in Paris?" }];
  const first = await client.chat.completions.create({ model, messages, tools: [weather] });
  assert.equal(first.choices[0].finish_reason, "tool_calls");
  const [call] = first.choices[0].message.tool_calls;
  assert.equal(call.type, "function");
  assert.equal(call.function.name, "get_weather");
  assert.equal(typeof JSON.parse(call.function.arguments), "object");
  messages.push(first.choices[0].message);
  messages.push({ role: "tool", tool_call_id: call.id, content: "17 degrees and windy" });
  const second = await client.chat.completions.create({ model, messages, tools: [weather] });
  assert.equal(second.choices[0].finish_reason, "stop");
  assert.match(second.choices[0].message.content, /17 degrees and windy/);
});

await check("a tool call arrives in a stream", async () => {
  const stream = await client.chat.completions.create({ ...say("tool: please"), tools: [weather], stream: true });
  const chunks = await collect(stream);
  assert.deepEqual(finish(chunks), ["tool_calls"]);
  const parts = chunks.flatMap((c) => c.choices[0]?.delta?.tool_calls ?? []);
  assert.equal(parts[0].function.name, "get_weather");
  assert.ok(parts[0].id, "a call without an id");
  assert.equal(typeof JSON.parse(parts.map((p) => p.function?.arguments ?? "").join("")), "object");
});

await check("the client's own tool runner goes the whole way", async () => {
  const seen = [];
  const run = client.chat.completions.runTools({
    ...say("tool: please"),
    tools: [
      {
        type: "function",
        function: {
          ...weather.function,
          parse: JSON.parse,
          function: (args) => {
            seen.push(args);
            return "a clear sky";
          },
        },
      },
    ],
  });
  assert.match(await run.finalContent(), /a clear sky/);
  assert.equal(seen.length, 1);
});

await check("the models are listed", async () => {
  const list = await client.models.list();
  const names = list.data.map((m) => m.id);
  assert.ok(names.includes(model), `no ${model} among ${names}`);
  for (const m of list.data) assert.equal(m.object, "model");
});

await check("one model is retrieved", async () => {
  assert.equal((await client.models.retrieve(model)).id, model);
});

await check("a provider's name before the model is understood", async () => {
  const answer = await client.chat.completions.create({ ...say("Hello"), model: `demo/${model}` });
  assert.equal(answer.model, `demo/${model}`);
});

await check("a call without a client id is refused", () =>
  refused(() => connect({}).chat.completions.create(say("Hello")),
    OpenAI.BadRequestError, 400, "invalid_request_error", "missing_client_id"));

await check("a group outside group_values is refused", () =>
  refused(() => connect({ ...identity, "X-User-Tier": "enterprize" }).chat.completions.create(say("Hello")),
    OpenAI.BadRequestError, 400, "invalid_request_error", "invalid_group"));

await check("a refusal is an error before a stream begins", () =>
  refused(() => connect({}).chat.completions.create({ ...say("Hello"), stream: true }),
    OpenAI.BadRequestError, 400, "invalid_request_error", "missing_client_id"));

await check("an unknown model is not found", () =>
  refused(() => client.chat.completions.create({ ...say("Hello"), model: "demo-99" }),
    OpenAI.NotFoundError, 404, "not_found_error", "model_not_found"));

await check("an unknown provider is not found", () =>
  refused(() => client.chat.completions.create({ ...say("Hello"), model: "nobody/demo-1" }),
    OpenAI.NotFoundError, 404, "not_found_error", "provider_not_found"));

await check("an unknown path is not found", () =>
  refused(() => client.post("/chat/nowhere", { body: {} }),
    OpenAI.NotFoundError, 404, null, "endpoint_unknown"));

await check("a GET on chat completions is told what is allowed", async () => {
  const call = () => client.get("/chat/completions");
  await refused(call, OpenAI.APIError, 405, null, "method_not_allowed");
  await assert.rejects(call, (e) => e.headers.get("allow") === "POST");
});

await check("a body without messages is refused", () =>
  refused(() => client.chat.completions.create({ model }),
    OpenAI.BadRequestError, 400, "invalid_request_error", "invalid_request"));

await check("a provider's 429 is a rate limit error", async () => {
  let error;
  await client.chat.completions.create(say("error:429")).catch((cause) => (error = cause));
  assert.ok(error instanceof OpenAI.RateLimitError, `a ${error?.constructor.name}`);
  assert.equal(error.status, 429);
  assert.equal(error.type, "rate_limit_error");
});

await check("a provider's failure before a stream is a status", async () => {
  let error;
  await client.chat.completions.create({ ...say("error:500"), stream: true }).catch((cause) => (error = cause));
  assert.ok(error instanceof OpenAI.InternalServerError, `a ${error?.constructor.name}`);
  assert.equal(error.status, 500);
  assert.equal(error.code, "provider_error");
});

await check("a stream that the caller leaves is no error", async () => {
  const stream = await client.chat.completions.create({ ...say("slow:50ms tell me more"), stream: true });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    break;
  }
});
