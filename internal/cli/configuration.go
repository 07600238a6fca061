package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"gatehouse.example/internal/config"
)

// settings maps flags of a command to dotted configuration keys.
type settings map[string]string

// loadConfig reads the configuration: defaults, the file of --config, the
// environment, then those flags in keys that were given.
func loadConfig(cmd *cobra.Command, keys settings) (*config.Config, error) {
	file, err := configFile(cmd)
	if err != nil {
		return nil, err
	}
	flags := map[string]any{}
	for name, key := range keys {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			flags[key] = f.Value.String()
		}
	}
	return config.Load(config.Source{File: file, Env: os.Environ(), Flags: flags})
}

// configFile returns the file of --config or GATEHOUSE_CONFIG, or the one beside
// the checkout or the executable, or "" for none.
func configFile(cmd *cobra.Command) (string, error) {
	if f := cmd.Flag("config"); f != nil && f.Changed {
		return existing("--config", f.Value.String())
	}
	if name := os.Getenv("GATEHOUSE_CONFIG"); name != "" {
		return existing("GATEHOUSE_CONFIG", name)
	}
	places := []string{filepath.Join("configs", "gatehouse.yaml")}
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			places = append(places, filepath.Join(filepath.Dir(exe), "..", "configs", "gatehouse.yaml"))
		}
	}
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			return place, nil
		}
	}
	return "", nil
}

// existing returns the file that somebody named, or gatehouse.yaml in the folder
// that it is.
func existing(who, name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", who, name, unwrapPath(err))
	}
	if info.IsDir() {
		name = filepath.Join(name, "gatehouse.yaml")
	}
	return name, nil
}

// unwrapPath drops the operation and path that a file error repeats.
func unwrapPath(err error) error {
	if pe, ok := err.(*os.PathError); ok { //nolint:errorlint // only the outermost one repeats the path
		return pe.Err
	}
	return err
}

func newConfig() *cobra.Command {
	show := &cobra.Command{
		Use:     "show",
		Short:   "Print the effective configuration, secrets masked",
		Example: "  GATEHOUSE_LOG__LEVEL=debug gatehouse config show --config configs/gatehouse.yaml",
		Args:    noArguments,
	}
	out := addOutput(show)
	show.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd, nil)
		if err != nil {
			return err
		}
		text, err := cfg.YAML()
		if err != nil {
			return err
		}
		if *out == outputJSON {
			v, err := yaml.YAMLToJSON(text)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), json.RawMessage(v))
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return group("config", "Look at the configuration", "  gatehouse config show", show)
}
