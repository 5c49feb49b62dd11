// Drives a Nexus whose provider is of type openai with the unmodified LangChain integration. common.js says how.
import assert from "node:assert/strict";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { baseURL, check, collect, failure, failures, identity, model, title, weather } from "./common.js";

const configuration = { baseURL, defaultHeaders: identity };
const connect = (more) => new ChatOpenAI({ model, apiKey: "unused", maxRetries: 0, configuration, ...more });
const tools = [{ type: "function", function: weather }];
const text = (chunks) => chunks.map((c) => c.text).join("");

for (const [endpoint, more] of [["chat completions", {}], ["responses", { useResponsesApi: true }]]) {
  const chat = connect(more);

  await check(`${endpoint}: a message is answered`, async () => {
    const answer = await chat.invoke("Hello");
    assert.equal(answer.text, "You said: Hello");
    assert.equal(answer.response_metadata.model_name ?? answer.response_metadata.model, model);
    assert.ok(answer.usage_metadata.total_tokens > 0);
  });

  await check(`${endpoint}: an answer is streamed, with its usage`, async () => {
    const chunks = await collect(await chat.stream("words:100"));
    assert.equal(text(chunks), Array(100).fill("word").join(" "));
    assert.ok(chunks.some((c) => c.usage_metadata?.total_tokens > 0), "no usage");
  });

  await check(`${endpoint}: a tool is called and its result goes back`, async () => {
    const bound = chat.bindTools(tools);
    const messages = [new HumanMessage("tool: weather?")];
    const first = await bound.invoke(messages);
    assert.deepEqual(first.tool_calls[0].args, { city: "Paris" });
    messages.push(first, new ToolMessage({ content: "17 degrees", tool_call_id: first.tool_calls[0].id }));
    assert.equal((await bound.invoke(messages)).text, "The tool said: 17 degrees");
  });

  await check(`${endpoint}: a tool call is put together from a stream`, async () => {
    const chunks = await collect(await chat.bindTools(tools).stream("tool: weather?"));
    const whole = chunks.reduce((a, b) => a.concat(b));
    assert.deepEqual(whole.tool_calls.map((c) => c.args), [{ city: "Paris" }]);
  });

  for (const f of failures) {
    const failing = connect({ ...more, ...(f.model && { model: f.model }) });
    await check(`${endpoint}: ${title(f)}`, async () => {
      let error = await failure(() => failing.invoke(f.prompt));
      if (f.code === "context_length_exceeded") {
        assert.equal(error.name, "ContextOverflowError"); // the integration knows the provider's code
        error = error.cause;
      }
      assert.equal(error.status, f.status, error.stack);
      assert.equal(error.code, f.code);
      assert.equal(error.type, f.type);
    });
  }

  await check(`${endpoint}: a stream that breaks off is an error`, () =>
    failure(async () => collect(await chat.stream("cut:6 one two three four five"))));

  await check(`${endpoint}: a stream that the caller leaves is no error`, async () => {
    for await (const chunk of await chat.stream("slow:50ms words:100")) {
      assert.ok(chunk);
      break;
    }
  });
}

await check("a stream without usage is whole", async () => {
  const chunks = await collect(await connect({ streamUsage: false }).stream("Hello"));
  assert.equal(text(chunks), "You said: Hello");
  assert.ok(!chunks.some((c) => c.usage_metadata), "usage that nobody asked for");
});

await check("texts are embedded", async () => {
  const embeddings = new OpenAIEmbeddings({ model: "text-embedding-3-small", apiKey: "unused", maxRetries: 0, configuration });
  assert.equal((await embeddings.embedQuery("Hello")).length, 8);
  assert.equal((await embeddings.embedDocuments(["a", "b"])).length, 2);
});
