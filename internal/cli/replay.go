package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/bus"
)

func newEventsReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay SEQUENCE...",
		Short: "Send dead events again",
		Long: "The events go to every consumer; those that have handled one before recognise it. A replayed event is\n" +
			"no longer dead. With --all, what is no event is skipped, and the exit code is 1 if there was any: remove\n" +
			"it with `gatehouse events drop`.\n\n" + eventsAdvice,
		Example: "  gatehouse events replay 17 18\n" +
			"  gatehouse events replay --all --consumer email",
	}
	all := cmd.Flags().Bool("all", false, "send all that are dead now")
	consumer := cmd.Flags().String("consumer", "", "with --all: only those of one consumer")
	addBus(cmd)
	out := addOutput(cmd)
	var sequences []uint64
	cmd.Args = func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case *all && len(args) > 0:
			return usagef(cmd, "name sequences or use --all, not both")
		case !*all && len(args) == 0:
			return usagef(cmd, "want the sequence of a dead event, or --all")
		case !*all && *consumer != "":
			return usagef(cmd, "--consumer needs --all")
		}
		sequences, err = parseSequences(cmd, args)
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		did := replays{Replayed: []uint64{}, Skipped: []uint64{}}
		err := onBus(cmd, func(ctx context.Context, b *bus.Bus) error {
			if *all {
				return did.all(ctx, b, *consumer)
			}
			return did.these(ctx, b, sequences)
		})
		if err == nil && len(did.Skipped) > 0 {
			err = fmt.Errorf("%d dead events are no events and cannot be replayed: see `gatehouse events dead`, and remove them with `gatehouse events drop`", len(did.Skipped))
		}
		// What was sent is told, even if another one failed.
		return errors.Join(did.print(cmd, *out, *all), err)
	}
	return cmd
}

func parseSequences(cmd *cobra.Command, args []string) ([]uint64, error) {
	var sequences []uint64
	for _, a := range args {
		n, err := strconv.ParseUint(a, 10, 64)
		if err != nil || n == 0 {
			return nil, usagef(cmd, "%q is no sequence: see gatehouse events dead", a)
		}
		sequences = append(sequences, n)
	}
	return sequences, nil
}

// replays is what became of dead events.
type replays struct {
	Replayed []uint64 `json:"replayed"`
	// Skipped are no events.
	Skipped []uint64 `json:"skipped"`
}

// these replays the named events up to the first that cannot be.
func (r *replays) these(ctx context.Context, b *bus.Bus, sequences []uint64) error {
	for _, n := range sequences {
		if err := b.Replay(ctx, n); err != nil {
			return err
		}
		r.Replayed = append(r.Replayed, n)
	}
	return nil
}

// all replays what is dead now.
func (r *replays) all(ctx context.Context, b *bus.Bus, consumer string) error {
	dead, err := deadEvents(ctx, b, consumer, 0, -1)
	if err != nil {
		return err
	}
	for _, d := range dead {
		switch err := b.Replay(ctx, d.Sequence); {
		case err == nil:
			r.Replayed = append(r.Replayed, d.Sequence)
		case errors.Is(err, bus.ErrNoEvent):
			r.Skipped = append(r.Skipped, d.Sequence)
		case errors.Is(err, bus.ErrNoDeadEvent): // by somebody else, meanwhile
		default:
			return err
		}
	}
	return nil
}

func (r *replays) print(cmd *cobra.Command, out output, all bool) error {
	if out == outputJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	var text string
	for _, n := range r.Replayed {
		text += fmt.Sprintf("replayed  %d\n", n)
	}
	for _, n := range r.Skipped {
		text += fmt.Sprintf("skipped   %d\n", n)
	}
	if all {
		text += fmt.Sprintf("%d replayed, %d skipped\n", len(r.Replayed), len(r.Skipped))
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), text)
	return err
}

func newEventsDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "drop SEQUENCE",
		Short:   "Remove a dead event for good",
		Long:    "Nobody gets the event again.\n\n" + eventsAdvice,
		Example: "  gatehouse events drop 17",
	}
	addBus(cmd)
	out := addOutput(cmd)
	var sequences []uint64
	cmd.Args = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) != 1 {
			return usagef(cmd, "want the sequence of one dead event")
		}
		sequences, err = parseSequences(cmd, args)
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := onBus(cmd, func(ctx context.Context, b *bus.Bus) error { return b.Drop(ctx, sequences[0]) }); err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"dropped": sequences})
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "dropped  %d\n", sequences[0])
		return err
	}
	return cmd
}
