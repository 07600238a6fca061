package cli

import (
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/services/auth/audit"
)

func newAudit() *cobra.Command {
	return group("audit", "Read the audit log", "  gatehouse audit list --since 24h --action 'user.*'", newAuditList())
}

func newAuditList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List records of the audit log, the newest first",
		Example: "  gatehouse audit list --limit 20\n" +
			"  gatehouse audit list --action 'user.*' --since 24h\n" +
			"  gatehouse audit list --subject 0199d3a5-0000-7000-8000-000000000001 --outcome denied --output json",
		Args: noArguments,
	}
	f := cmd.Flags()
	parameters := map[string]*string{
		"actor_id":   f.String("actor", "", "id of the user, client or service that did it"),
		"subject_id": f.String("subject", "", "id of what it was done to"),
		"action":     f.String("action", "", `an action such as user.suspended, or all of a noun: "user.*"`),
		"outcome":    f.String("outcome", "", "success, failure or denied"),
		"service":    f.String("service", "", "service that recorded it: auth, user or email"),
	}
	since := f.String("since", "", "a time (RFC 3339), or how long ago: 24h")
	until := f.String("until", "", "a time (RFC 3339), or how long ago: 1h")
	limit := f.Int("limit", 50, "how many records; 0 lists all")
	addRemote(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 0 {
			return usagef(cmd, "--limit must not be negative")
		}
		query := url.Values{}
		for name, value := range parameters {
			if *value != "" {
				query.Set(name, *value)
			}
		}
		for name, value := range map[string]string{"since": *since, "until": *until} {
			at, err := moment(cmd, name, value, time.Now())
			if err != nil {
				return err
			}
			if at != "" {
				query.Set(name, at)
			}
		}
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		found, err := list[audit.View](cmd.Context(), r, "/v1/audit", query, *limit)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		rows := make([][]string, len(found.Items))
		for i, v := range found.Items {
			rows[i] = []string{v.Time.UTC().Format(time.RFC3339), v.Action, v.Outcome, pair(v.ActorKind, v.ActorID), pair(v.SubjectKind, v.SubjectID), v.Address}
		}
		return printTable(cmd.OutOrStdout(), []string{"TIME", "ACTION", "OUTCOME", "ACTOR", "SUBJECT", "ADDRESS"}, rows)
	}
	return cmd
}

// moment reads a time, or a duration before now.
func moment(cmd *cobra.Command, flag, value string, now time.Time) (string, error) {
	if value == "" {
		return "", nil
	}
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago).UTC().Format(time.RFC3339), nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return "", usagef(cmd, "--%s must be a time such as 2026-01-02T03:04:05Z, or how long ago, such as 24h", flag)
	}
	return at.UTC().Format(time.RFC3339), nil
}

func pair(kind, id string) string {
	if kind == "" && id == "" {
		return "-"
	}
	return kind + " " + id
}
