package config

// NeedRestart are the keys that the next configuration changes and that cannot change while a process runs, each as
// an error.
func NeedRestart(running, next *Config) Problems {
	const key = "server.listen_address"
	r := newReport(next.File(), next.origin.lines)
	if running.Server.ListenAddress != next.Server.ListenAddress {
		r.hidden = next.origin.hidden
		r.fail(key, r.show(key, next.Server.ListenAddress.String())+" is another address than the one in use, and a change of it needs a restart",
			"write the old address back, or restart nexus")
	}
	return r.problems
}
