package main

import (
	"fmt"

	"nexus/gateway"
)

// check loads and compiles the configuration as serve would, and opens nothing.
func check(s *settings) error {
	if _, err := s.logger(); err != nil {
		return err
	}
	draft := s.file().Load()
	cfg, problems := draft.Config, draft.Problems
	for _, p := range problems {
		fmt.Fprintln(s.stdout, p)
	}
	errors, warnings := len(problems.Errors()), len(problems.Warnings())
	if errors > 0 {
		fmt.Fprintf(s.stdout, "%s: %s, %s\n", s.configPath(), counted(errors, "error"), counted(warnings, "warning"))
		return errTold
	}
	gateway.Compile(cfg)
	if warnings > 0 {
		fmt.Fprintf(s.stdout, "%s: ok, %s\n", s.configPath(), counted(warnings, "warning"))
		return nil
	}
	fmt.Fprintf(s.stdout, "%s: ok\n", s.configPath())
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
