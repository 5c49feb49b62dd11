package config

// LLM is the table llm: which protocols callers speak and which providers answer.
type LLM struct {
	Enabled   bool            `toml:"enabled"`
	Protocols Protocols       `toml:"protocols"`
	Providers Table[Provider] `toml:"providers"`
}

// Protocols is the table llm.protocols.
type Protocols struct {
	OpenAI Protocol `toml:"openai"`
}

// Protocol is one protocol that callers may speak.
type Protocol struct {
	Enabled bool `toml:"enabled"`
	// Path is the prefix of the protocol's endpoints. Default "/llm" for openai.
	Path Path `toml:"path"`
}

// Provider is one table llm.providers.NAME. Their order in the file decides who answers a bare model name.
type Provider struct {
	// Type is the provider's kind. Needed; "demo" is built in, offline and deterministic.
	Type ProviderType `toml:"type"`
	// Models are the models that callers may name, by that name.
	Models Table[Model] `toml:"models"`
}

// ProviderType is the kind of a provider.
type ProviderType string

// ProviderDemo is the built-in provider: no key, no network, the same answer to the same question.
const ProviderDemo ProviderType = "demo"

// Model is one table llm.providers.NAME.models.MODEL; MODEL is the name that callers use.
type Model struct {
	// Rename is the name sent to the provider. Default, and also for "": the name that callers use.
	Rename string `toml:"rename"`
}

func (m *Model) setName(name string) {
	if m.Rename == "" {
		m.Rename = name
	}
}
