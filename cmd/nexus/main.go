// Command nexus is an identity-aware gateway between applications and LLM providers. This package holds the
// commands, their flags, the signals and the exit codes, and no logic that a test would want to reach
// but through the built binary.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the program: 0 when all went well, 1 when it did not, 2 when explain was asked what it cannot answer.
func run(args []string, stdout, stderr io.Writer) int {
	root := commands(stdout, stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.Execute(); err != nil {
		if !errors.Is(err, errTold) {
			fmt.Fprintln(stderr, "nexus:", err)
		}
		if usage := (usageError{}); errors.As(err, &usage) {
			return 2
		}
		return 1
	}
	return 0
}

// commands is the table of contents.
func commands(stdout, stderr io.Writer) *cobra.Command {
	s := &settings{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:           "nexus",
		Short:         "An identity-aware gateway for LLM traffic; without a command it serves",
		Long:          longHelp,
		Args:          knownCommand,
		RunE:          func(*cobra.Command, []string) error { return serve(s) },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SuggestionsMinimumDistance = 2
	s.bind(root.PersistentFlags())
	s.bindListen(root.Flags())
	root.AddCommand(
		s.command("serve", "Run the gateway", serve, true),
		s.command("check", "Check the configuration and print every error and warning", check, false),
		s.explainCommand(),
		s.issuerCommand(),
		s.command("healthcheck", "Ask the running instance whether it is healthy", healthcheck, true),
		s.command("version", "Print the version, the commit and the Go version", version, false),
	)
	strict(root)
	return root
}

// strict has the commands that cobra brings refuse a word that they do not know, as ours do: a script must not take the
// help for what it asked for.
func strict(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) > 0 {
					return fmt.Errorf("unknown shell %q; there are bash, zsh, fish and powershell", args[0])
				}
				return c.Help()
			}
			c.Args = cobra.ArbitraryArgs
		case "help":
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return knownCommand(root, args)
				}
				return found.Help()
			}
		}
	}
}

// knownCommand refuses a word that is no command, and says which one may have been meant.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %q?", args[0], near[0])
	}
	return fmt.Errorf("unknown command %q; nexus --help lists them", args[0])
}

const longHelp = `Nexus stands between applications and LLM providers. It knows who calls and in which
tier, and explains each refusal. Everything is said in one file, nexus.toml.

A flag wins over the environment, that over the file, that over the default:

  -c, --config          NEXUS_CONFIG_PATH      ./nexus.toml
      --log             NEXUS_LOG              info
      --log-style       NEXUS_LOG_STYLE        color on a terminal, else text
  -l, --listen-address  NEXUS_LISTEN_ADDRESS   server.listen_address of the file`
