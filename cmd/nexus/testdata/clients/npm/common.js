// What the programs share that drive a Nexus with a provider of type openai: where it is, who calls, and how a check
// is told: one JSON object a line, {"name": "…", "error": null or "…"}.
import assert from "node:assert/strict";

export const baseURL = process.env.NEXUS_URL + "/llm/v1";
export const model = "gpt-4o";
export const identity = { "X-Client-ID": "npm-client", "X-User-Tier": "pro" };

export async function check(name, body) {
  let error = null;
  try {
    await body();
  } catch (cause) {
    error = String(cause?.stack ?? cause);
  }
  console.log(JSON.stringify({ name, error }));
}

// failure runs a call that must fail, and gives its error.
export async function failure(call) {
  try {
    await call();
  } catch (cause) {
    return cause;
  }
  return assert.fail("the call was answered");
}

// failures are the prompts that the provider fails at, with the status and the body that Nexus promises of each. An
// undefined code is one that it does not promise.
export const failures = [
  { prompt: "error:400", status: 400, type: "invalid_request_error", code: "context_length_exceeded", message: /^Invalid request: / },
  { prompt: "error:401", status: 401, type: "authentication_error", code: "invalid_api_key", message: /^Authentication failed: / },
  { prompt: "error:403", status: 403, type: "insufficient_quota", code: "unsupported_country_region_territory", message: /^Insufficient quota: / },
  { prompt: "error:404", status: 404, type: "not_found_error", code: "model_not_found", message: /does not exist/ },
  { prompt: "error:409", status: 409, type: "invalid_request_error", code: "conflict", message: /^Invalid request: / },
  { prompt: "error:422", status: 422, type: "invalid_request_error", code: "unprocessable_entity", message: /^Invalid request: / },
  { prompt: "error:429", status: 429, type: "rate_limit_error", code: "rate_limit_exceeded", message: /^Rate limit exceeded: / },
  { prompt: "error:quota", status: 429, type: "rate_limit_error", code: "insufficient_quota", message: /^Rate limit exceeded: You exceeded your current quota/ },
  { prompt: "error:500", status: 500, type: "internal_error", code: "provider_error", message: /had an error/ },
  { prompt: "error:503", status: 502, type: "api_error", code: "provider_error", message: /^Provider API error \(503\): / },
  { model: "gone/gpt-4o", prompt: "Hello", status: 502, type: "api_error", code: "provider_unreachable", message: /^Connection error: / },
  { model: "hasty/gpt-4o", prompt: "stall:0", status: 504, type: "api_error", code: "provider_timeout", message: /./ },
];

// title names a failure in a sentence.
export const title = (f) => `${f.model ? `${f.model} ` : ""}"${f.prompt}" arrives as ${f.status} ${f.code}`;

export const weather = {
  name: "get_weather",
  description: "The weather of a city",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

export async function collect(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}
