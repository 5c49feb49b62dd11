// Drives a Nexus whose provider is of type openai with the unmodified OpenAI client. common.js says how.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { baseURL, check, collect, failure, failures, identity, model, title, weather } from "./common.js";

const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0, timeout: 20_000, defaultHeaders: identity });
const say = (content, more) => ({ model, messages: [{ role: "user", content }], ...more });
const create = (body) => client.chat.completions.create(body);
const tools = [{ type: "function", function: weather }];
const text = (chunks) => chunks.map((c) => c.choices[0]?.delta?.content ?? "").join("");

const classes = {
  400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError, 404: OpenAI.NotFoundError,
  409: OpenAI.ConflictError, 422: OpenAI.UnprocessableEntityError, 429: OpenAI.RateLimitError,
};

await check("a chat is answered under the name that was asked for", async () => {
  for (const name of [model, `openai/${model}`]) {
    const answer = await create(say("Hello", { model: name }));
    assert.equal(answer.model, name);
    assert.equal(answer.choices[0].message.content, "You said: Hello");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.ok(answer._request_id, "no request id");
    assert.notEqual(answer._request_id, "req_of_the_provider");
  }
});

await check("a stream is whole, in order, and holds no usage that nobody asked for", async () => {
  const chunks = await collect(await create(say("words:100", { stream: true })));
  assert.equal(text(chunks), Array(100).fill("word").join(" "));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  for (const chunk of chunks) {
    assert.equal(chunk.model, model);
    assert.equal(chunk.choices.length, 1, "a usage chunk");
    assert.equal(chunk.usage ?? null, null, "usage that nobody asked for");
  }
});

await check("a stream reports usage when asked", async () => {
  const chunks = await collect(await create(say("Hello", { stream: true, stream_options: { include_usage: true } })));
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
  for (const chunk of chunks.slice(0, -1)) assert.equal(chunk.usage, null);
});

await check("several answers to one question arrive", async () => {
  assert.equal((await create(say("Hello", { n: 3 }))).choices.length, 3);
  const chunks = await collect(await create(say("Hello", { n: 2, stream: true })));
  assert.deepEqual([...new Set(chunks.map((c) => c.choices[0].index))].sort(), [0, 1]);
});

await check("two tools are called at once, and their results come back", async () => {
  const messages = [{ role: "user", content: "tool:2 what is the weather?" }];
  const first = await create({ model, messages, tools });
  assert.equal(first.choices[0].finish_reason, "tool_calls");
  const calls = first.choices[0].message.tool_calls;
  assert.equal(calls.length, 2);
  assert.equal(JSON.parse(calls[0].function.arguments).city, "Paris");
  messages.push(first.choices[0].message);
  for (const call of calls) messages.push({ role: "tool", tool_call_id: call.id, content: "17 degrees" });
  const second = await create({ model, messages, tools });
  assert.equal(second.choices[0].message.content, "The tool said: 17 degrees");
});

await check("a tool call arrives in a stream", async () => {
  const answer = await client.chat.completions.stream(say("tool:2 please", { tools })).finalChatCompletion();
  const calls = answer.choices[0].message.tool_calls;
  assert.equal(calls.length, 2);
  for (const call of calls) assert.equal(call.function.arguments, '{"city":"Paris"}');
});

await check("the client's own tool runner goes the whole way", async () => {
  for (const stream of [false, true]) {
    const run = client.chat.completions.runTools(say("tool: please", {
      stream,
      tools: [{ type: "function", function: { ...weather, parse: JSON.parse, function: () => "a clear sky" } }],
    }));
    assert.equal(await run.finalContent(), "The tool said: a clear sky");
  }
});

await check("a structured answer may be asked for", async () => {
  const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
  const answer = await create(say("Hello", { response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema } } }));
  assert.ok(answer.choices[0].message.content);
});

await check("the models are listed, and one is retrieved", async () => {
  const names = (await client.models.list()).data.map((m) => m.id);
  for (const name of [model, "text-embedding-3-small"]) assert.ok(names.includes(name), `no ${name} among ${names}`);
  assert.equal((await client.models.retrieve(model)).id, model);
});

await check("embeddings come as numbers, whatever the form on the way", async () => {
  for (const more of [{}, { encoding_format: "float" }, { encoding_format: "base64" }]) {
    const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"], dimensions: 4, ...more });
    assert.equal(answer.data.length, 2);
    assert.equal(answer.usage.total_tokens, 8);
    const vector = answer.data[0].embedding;
    if (more.encoding_format === "base64") assert.equal(typeof vector, "string");
    else assert.deepEqual([...vector], [-0.5, -0.375, -0.25, -0.125]);
  }
});

await check("a response is answered", async () => {
  const answer = await client.responses.create({ model, input: "Hello" });
  assert.equal(answer.output_text, "You said: Hello");
  assert.equal(answer.model, model);
  assert.ok(answer.usage.input_tokens > 0);
});

await check("a response is streamed", async () => {
  const events = await collect(await client.responses.create({ model, input: "words:50", stream: true }));
  assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
  assert.equal(events.filter((e) => e.type === "response.output_text.delta").length, 50);
  const last = events.at(-1);
  assert.equal(last.type, "response.completed");
  assert.equal(last.response.model, model);
  assert.ok(last.response.usage.output_tokens > 0);
});

await check("a response calls a tool, and gets its result", async () => {
  const input = [{ role: "user", content: "tool: what is the weather?" }];
  const offered = [{ type: "function", strict: false, ...weather }];
  const first = await client.responses.create({ model, input, tools: offered });
  const [call] = first.output;
  assert.equal(call.type, "function_call");
  input.push(call, { type: "function_call_output", call_id: call.call_id, output: "17 degrees" });
  assert.equal((await client.responses.create({ model, input, tools: offered })).output_text, "The tool said: 17 degrees");
});

await check("a stored response is out of reach", async () => {
  for (const more of [{ previous_response_id: "resp_1" }, { conversation: "conv_1" }, { background: true }]) {
    const error = await failure(() => client.responses.create({ model, input: "Hello", ...more }));
    assert.equal(error.status, 400);
    assert.equal(error.type, "invalid_request_error");
  }
  assert.equal((await failure(() => client.responses.retrieve("resp_1"))).status, 404);
});

await check("the older endpoints answer, too", async () => {
  const answer = await client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "Hello" });
  assert.equal(answer.choices[0].text, "You said: Hello");
  const chunks = await collect(await client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "Hello", stream: true }));
  assert.equal(chunks.map((c) => c.choices[0].text).join(""), "You said: Hello");
  assert.equal((await client.moderations.create({ model: "omni-moderation-latest", input: "Hello" })).results.length, 1);
  assert.ok((await client.images.generate({ model: "dall-e-3", prompt: "a cat", response_format: "b64_json" })).data[0].b64_json);
});

await check("sound comes through byte for byte", async () => {
  const answer = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Hello" });
  assert.equal(answer.headers.get("content-type"), "audio/mpeg");
  assert.equal(Buffer.from(await answer.arrayBuffer()).toString("hex"), "494433040000fffb90640080fe");
});

for (const f of failures) {
  for (const stream of [false, true]) {
    await check(`${title(f)}${stream ? ", before a stream begins" : ""}`, async () => {
      const error = await failure(() => create(say(f.prompt, { stream, ...(f.model && { model: f.model }) })));
      const Class = classes[f.status] ?? OpenAI.InternalServerError;
      assert.ok(error instanceof Class, `a ${error.constructor.name}, not a ${Class.name}: ${error.message}`);
      assert.equal(error.status, f.status);
      assert.equal(error.type, f.type);
      assert.equal(error.code, f.code);
      assert.match(error.error.message, f.message);
      assert.ok(error.requestID, "no request id");
      assert.equal(error.headers.get("set-cookie"), null);
      if (f.prompt === "error:429") assert.equal(error.headers.get("retry-after"), "20");
    });
  }
}

await check("a failure of another endpoint has the same form", async () => {
  for (const call of [
    () => client.embeddings.create({ model: "text-embedding-3-small", input: "error:429" }),
    () => client.responses.create({ model, input: "error:429" }),
    () => client.responses.create({ model, input: "error:429", stream: true }),
  ]) {
    const error = await failure(call);
    assert.ok(error instanceof OpenAI.RateLimitError, `a ${error.constructor.name}`);
    assert.equal(error.code, "rate_limit_exceeded");
  }
});

await check("an answer that breaks off is an error", () => failure(() => create(say("cut:1"))));

await check("a stream that breaks off is an error, after what came before", async () => {
  const chunks = [];
  const error = await failure(async () => {
    for await (const chunk of await create(say("cut:3 one two three four", { stream: true }))) chunks.push(chunk);
  });
  assert.equal(chunks.length, 3);
  assert.ok(error instanceof OpenAI.APIError, `a ${error.constructor.name}: ${error.message}`);
});

await check("a response that breaks off is an error", async () => {
  const error = await failure(async () => collect(await client.responses.create({ model, input: "cut:6 one two three", stream: true })));
  assert.ok(error instanceof OpenAI.APIError, `a ${error.constructor.name}: ${error.message}`);
});

await check("a provider that falls silent inside a stream is an error", async () => {
  const error = await failure(async () => collect(await create(say("stall:3 one two three", { stream: true, model: "hasty/gpt-4o" }))));
  assert.ok(error instanceof OpenAI.APIError, `a ${error.constructor.name}: ${error.message}`);
});

await check("a caller who waits no longer is told so by the client", async () => {
  const error = await failure(() => client.chat.completions.create(say("stall:0"), { timeout: 300 }));
  assert.ok(error instanceof OpenAI.APIConnectionTimeoutError, `a ${error.constructor.name}`);
});

await check("a stream that the caller leaves is no error", async () => {
  for await (const chunk of await create(say("slow:50ms words:100", { stream: true }))) {
    assert.ok(chunk.id);
    break;
  }
});
