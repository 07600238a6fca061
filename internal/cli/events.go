package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/cli/stack"
)

// busTimeout is how long a command waits for the NATS server.
const busTimeout = 5 * time.Second

const eventsAdvice = "Works on the NATS server of bus.url (GATEHOUSE_BUS__URL), or on that of a running `gatehouse dev`."

func newEvents() *cobra.Command {
	return group("events", "Look after events that could not be handled", "  gatehouse events dead\n  gatehouse events replay 17",
		newEventsDead(), newEventsReplay(), newEventsDrop())
}

func newEventsDead() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List events that a consumer gave up, the oldest first",
		Long:  eventsAdvice,
		Example: "  gatehouse events dead\n" +
			"  gatehouse events dead --consumer auth-audit --output json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "list" {
				return nil
			}
			return noArguments(cmd, args)
		},
	}
	consumer := cmd.Flags().String("consumer", "", "only those of one consumer")
	from := cmd.Flags().Uint64("from", 0, "begin at this sequence")
	limit := cmd.Flags().Int("limit", 100, "how many events")
	addBus(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 1 {
			return usagef(cmd, "--limit must be at least 1")
		}
		var found []bus.DeadEvent
		err := onBus(cmd, func(ctx context.Context, b *bus.Bus) (err error) {
			found, err = deadEvents(ctx, b, *consumer, *from, *limit)
			return err
		})
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"items": found})
		}
		rows := make([][]string, len(found))
		for i, d := range found {
			rows[i] = []string{strconv.FormatUint(d.Sequence, 10), d.Died.Format(time.RFC3339), d.Consumer, d.Event.Type, d.Event.Subject, d.Error}
		}
		return printTable(cmd.OutOrStdout(), []string{"SEQUENCE", "DIED", "CONSUMER", "TYPE", "SUBJECT", "ERROR"}, rows)
	}
	return cmd
}

// deadEvents returns up to limit dead events of the consumer, "" for all.
func deadEvents(ctx context.Context, b *bus.Bus, consumer string, from uint64, limit int) ([]bus.DeadEvent, error) {
	const page = 200
	found := []bus.DeadEvent{}
	for {
		some, err := b.Dead(ctx, from, page)
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			if consumer == "" || d.Consumer == consumer {
				found = append(found, d)
			}
			if len(found) == limit {
				return found, nil
			}
		}
		if len(some) < page {
			return found, nil
		}
		from = some[len(some)-1].Sequence + 1
	}
}

// addBus adds the flags that say which NATS server is meant.
func addBus(cmd *cobra.Command) {
	cmd.Flags().String("data", "", "data folder of a running 'gatehouse dev', whose NATS server is used")
	cmd.Flags().String("nats-url", "", "NATS server, instead of bus.url")
}

// onBus connects to the NATS server for the time of do.
func onBus(cmd *cobra.Command, do func(ctx context.Context, b *bus.Bus) error) error {
	cfg, err := loadConfig(cmd, settings{"data": "data", "nats-url": "bus.url"})
	if err != nil {
		return err
	}
	address := cfg.Bus.URL.Reveal()
	if address == "" {
		if address, err = devBus(cfg.ResolveData(stack.BusFile)); err != nil {
			return err
		}
	}
	connecting, cancel := context.WithTimeout(cmd.Context(), busTimeout)
	defer cancel()
	b, err := bus.Connect(connecting, bus.Options{URL: address, Name: "gatehouse-events"})
	if err != nil {
		return err
	}
	defer b.Close()
	return do(cmd.Context(), b)
}

// devBus reads where the NATS server of "gatehouse dev" is.
func devBus(file string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s does not exist: start `gatehouse dev`, name its folder with --data, or set bus.url", file)
	}
	if err != nil {
		return "", err
	}
	var at stack.BusAddress
	if err := json.Unmarshal(text, &at); err != nil || at.URL == "" {
		return "", fmt.Errorf("%s is damaged: start `gatehouse dev` again, which makes %s anew", file, filepath.Base(file))
	}
	return at.URL, nil
}
