package main

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nexus/config"
	"nexus/gateway/telemetry"
)

// errTold ends a command whose error the user has been told already.
var errTold = errors.New("told")

// settings are what flags and environment say. A flag wins over its variable; an empty variable says nothing.
type settings struct {
	stdout, stderr io.Writer

	configFlag, logFlag, styleFlag, listenFlag string
}

// bind declares the flags of every command.
func (s *settings) bind(flags *pflag.FlagSet) {
	flags.StringVarP(&s.configFlag, "config", "c", "", "the configuration `file` (NEXUS_CONFIG_PATH, default ./nexus.toml)")
	flags.StringVar(&s.logFlag, "log", "", "log `level`: off, error, warn, info, debug (NEXUS_LOG, default info)")
	flags.StringVar(&s.styleFlag, "log-style", "", "log `style`: color, text, json (NEXUS_LOG_STYLE, default color on a terminal, else text)")
}

// bindListen declares the flag of the commands that listen, or look for who does.
func (s *settings) bindListen(flags *pflag.FlagSet) {
	flags.StringVarP(&s.listenFlag, "listen-address", "l", "", "`address` to listen on (NEXUS_LISTEN_ADDRESS, default: the file's)")
}

// command makes a subcommand without arguments.
func (s *settings) command(name, short string, action func(*settings) error, listens bool) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return action(s) }}
	if listens {
		s.bindListen(cmd.Flags())
	}
	return cmd
}

func (s *settings) configPath() string {
	return cmp.Or(s.configFlag, os.Getenv("NEXUS_CONFIG_PATH"), "./nexus.toml")
}

// overlay is what flag and environment put over the file.
func (s *settings) overlay() config.Overlay {
	if s.listenFlag != "" {
		return config.Overlay{ListenAddress: s.listenFlag, ListenAddressFrom: "--listen-address"}
	}
	if address := os.Getenv("NEXUS_LISTEN_ADDRESS"); address != "" {
		return config.Overlay{ListenAddress: address, ListenAddressFrom: "NEXUS_LISTEN_ADDRESS"}
	}
	return config.Overlay{}
}

func (s *settings) file() *config.File {
	return config.NewFile(s.configPath(), s.overlay())
}

func (s *settings) logLevel() string { return cmp.Or(s.logFlag, os.Getenv("NEXUS_LOG"), "info") }

// logStyle is colour where a person looks on and has not asked for none.
func (s *settings) logStyle() string {
	if style := cmp.Or(s.styleFlag, os.Getenv("NEXUS_LOG_STYLE")); style != "" {
		return style
	}
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return "text"
	}
	f, ok := s.stderr.(*os.File)
	if os.Getenv("FORCE_COLOR") != "" || ok && isatty.IsTerminal(f.Fd()) {
		return "color"
	}
	return "text"
}

func (s *settings) logger() (*slog.Logger, error) {
	return telemetry.NewLogger(s.stderr, s.logLevel(), s.logStyle())
}
